package routing

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for machines that have no zones of their own
)

// zoneNames are those of the time zone database, one a line.
//
//go:embed zones.txt
var zoneNames string

// loadZone finds a time zone by its IANA name, with what is wrong with it. The
// zones of the machine go before those in the binary: the law changes them
// more often than we release.
func loadZone(name string) (*time.Location, string) {
	if name == "" {
		return nil, "is missing: an IANA time zone such as Europe/Oslo"
	}
	known := strings.Fields(zoneNames)
	for _, is := range known { // a machine whose files know no case would load it, another would not
		if is != name && strings.EqualFold(is, name) {
			return nil, "is written " + is
		}
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		shown := ""
		if len(name) <= maxCalendarText && checkText(name, maxCalendarText) == "" && !strings.ContainsAny(name, "0123456789@:") {
			shown = fmt.Sprintf("there is no time zone %q", name)
		} else {
			shown = "is not an IANA time zone such as Europe/Oslo"
		}
		return nil, shown + suggest(name, known)
	}
	return zone, ""
}
