package routing

import (
	"strings"
	"sync"
)

// territories tell the countries of one calling code apart: who has the code
// but for the others, and the prefixes of those. Where numbers of a country
// cannot be told by their first digits (Saint-Barthélemy and Saint-Martin among
// Guadeloupe's, San Marino's over Italy) they count as those of the first one.
// Prefixes without a country are those of services that belong to none.
//
// An area code that the North American plan opens later counts as one of the
// United States until it is entered here.
var territories = [...]struct{ code, first, others string }{
	{"1", "US", "AG:1268 AI:1264 AS:1684 BB:1246 BM:1441 BS:1242 DM:1767 DO:1809,1829,1849 GD:1473 GU:1671 JM:1658,1876 " +
		"KN:1869 KY:1345 LC:1758 MP:1670 MS:1664 PR:1787,1939 SX:1721 TC:1649 TT:1868 VC:1784 VG:1284 VI:1340 " +
		"CA:1204,1226,1236,1249,1250,1257,1263,1289,1306,1343,1354,1365,1367,1368,1382,1403,1416,1418,1428,1431,1437,1438,1450,1468," +
		"1474,1506,1514,1519,1548,1579,1581,1584,1587,1600,1604,1613,1622,1633,1639,1644,1647,1655,1672,1677,1683,1688,1705,1709,1742," +
		"1753,1778,1780,1782,1807,1819,1825,1867,1873,1879,1902,1905,1942 " +
		":10,11,129,139,149,159,169,179,189,199,1500,1521,1522,1523,1524,1525,1526,1527,1528,1529,1532,1533,1535,1538,1542,1543,1544,1545," +
		"1546,1547,1549,1552,1553,1554,1556,1566,1569,1577,1578,1588,1589,1700,1800,1822,1833,1844,1855,1866,1877,1880,1881,1882,1883,1884," +
		"1885,1886,1887,1888,1889,1900"},
	{"7", "RU", "KZ:76,77"},
	{"39", "IT", "VA:3906698"},
	{"44", "GB", "GG:441481,447781,447839,4479111,4479117 IM:441624,4474576,447524,447624,447924 " +
		"JE:441534,447509,4477003,4477007,4477008,447797,447829,447937"},
	{"47", "NO", "SJ:4779"},
	{"61", "AU", "CC:6189162 CX:6189164"},
	{"212", "MA", "EH:2125288,2125289"},
	{"262", "RE", "YT:262269,262639"},
	{"358", "FI", "AX:35818"},
	{"590", "GP", ""},
	{"599", "CW", "BQ:5993,5994,5997"},
}

// grounds is the country of each prefix, calling codes included; empty: of none.
var grounds = sync.OnceValue(func() *prefixes[string] {
	p := &prefixes[string]{}
	enter := func(prefix, iso string) {
		n, msg := checkNumberPrefix("+" + prefix)
		if msg != "" || !p.add(n, iso) {
			panic("routing: the prefix " + prefix + " of " + iso + " is wrong or there twice")
		}
	}
	for _, t := range territories {
		enter(t.code, t.first)
		for group := range strings.FieldsSeq(t.others) {
			iso, heads, _ := strings.Cut(group, ":")
			for head := range strings.SplitSeq(heads, ",") {
				enter(head, iso)
			}
		}
	}
	for _, c := range countries {
		if n, _ := checkNumberPrefix("+" + c.code); n != 0 {
			p.add(n, c.iso) // unless it is above
		}
	}
	return p
})

// ground is the country that a number belongs to by its first digits, empty
// when it belongs to none or that is not known. It does not allocate.
func (n number) ground() string {
	iso, _ := grounds().find(n)
	return iso
}

// CountryOf returns the ISO 3166-1 code of the country that a number, E.164
// with its +, belongs to by its first digits: +1 416 is Canada's. Empty when it
// is no number, or belongs to no country, as +800 does.
func CountryOf(e164 string) string {
	digits, plus := strings.CutPrefix(e164, "+")
	n, ok := parseE164(digits)
	if !ok || !plus {
		return ""
	}
	return n.ground()
}

// told are the countries that numbers can be told to belong to.
var told = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, iso := range grounds().of {
		out[iso] = true
	}
	delete(out, "")
	return out
})

// countryList checks a list of countries that numbers are to be told by.
func (b *builder) countryList(all []string, path string) (set map[string]bool) {
	set = make(map[string]bool, len(all))
	for i, iso := range all {
		msg := checkCountry(iso)
		switch {
		case msg != "":
		case !told()[iso]:
			msg = "has numbers that cannot be told from those of " + countryByGround(iso) + ": name that"
		case set[iso]:
			msg = "is in the list already"
		}
		b.fault(msg, "%s[%d]", path, i)
		set[iso] = true
		if msg == "" {
			b.table.mentions.countries = append(b.table.mentions.countries, iso)
		}
	}
	return set
}

// countryByGround is the country that the numbers of another count as.
func countryByGround(iso string) string {
	n, _ := checkNumberPrefix("+" + countryOf(iso).code)
	return grounds().of[n]
}
