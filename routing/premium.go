package routing

import (
	"strings"
	"sync"
)

// PremiumVersion names the state of the ranges below.
const PremiumVersion = "2026-11"

// premiumRanges are numbers that cost more than calls to their country do, or are
// sold to have money made by calls to them: the first word is the country or the
// network, the others the beginnings of international numbers. Only what is
// certain is here: ITU-T E.164 (annex to the Operational Bulletin: shared codes of
// networks and services), the NANPA's list of service codes, and the national
// numbering plans of the countries named. Further ones are for fraud.ranges.
var premiumRanges = [...]string{
	"iprs 979",                          // international premium rate service
	"sharedcost 808",                    // international shared cost service
	"satellite 870 8816 8817 8818 8819", // Inmarsat; Iridium, Globalstar
	"networks 882 883",                  // international networks
	"personal 878",                      // universal personal telecommunications
	"NANP 1900",                         // premium; 976 is an exchange of many area codes
	"AT 43900 43901 43930 43931",
	"AU 61190",
	"BE 3290",
	"BG 35990",
	"CH 41900 41901 41906",
	"CZ 420900 420906 420909",
	"DE 49900 49137",
	"DK 4590",
	"EE 372900",
	"ES 34803 34806 34807 34905",
	"FI 358600 358700",
	"FR 3389",
	"GB 449 4470 44871 44872 44873", // 70: personal numbers
	"GR 30901 30909",
	"HR 38560",
	"HU 3690",
	"IT 39892 39894 39895 39899",
	"LT 370900",
	"LU 352900 352901 352905",
	"LV 37190",
	"NL 31900 31906 31909",
	"NO 47820 47829",
	"NZ 64900",
	"PL 48700 48701 48703 48704 48708",
	"PT 351760",
	"RO 40900 40903 40906",
	"RU 7809",
	"SE 46900 46939 46944",
	"SI 38690",
	"SK 421900",
	"TR 90900",
	"UA 380900",
}

// premiums finds them.
var premiums = sync.OnceValue(func() *prefixes[struct{}] {
	p := &prefixes[struct{}]{}
	for _, line := range premiumRanges {
		for _, head := range strings.Fields(line)[1:] {
			n, msg := checkNumberPrefix("+" + head)
			if msg != "" || !p.add(n, struct{}{}) {
				panic("routing: the premium range " + head + " is wrong or there twice")
			}
		}
	}
	return p
})

// isPremium reports whether calls to a number cost more than those to its country.
func isPremium(n number) bool {
	_, ok := premiums().find(n)
	return ok || n >= 1e10 && n < 2e10 && n/10_000%1000 == 976 // +1 NPA 976 XXXX
}
