package routing

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// pageRows is the most rows of a page: a change of one number copies a page and
// the list of pages, which cost about the same where there are a million.
const pageRows = 256

// pages holds rows in the order of their keys. It never changes: merge makes new
// pages that share what is the same, so that a decision under way and the next
// one may look into different states without a lock between them.
type pages struct {
	firsts []number // of each page, apart from the rows so that a look-up finds them in few lines of cache
	rows   [][]row
	count  int
}

func (p *pages) len() int { return p.count }

// floor returns the last row whose key is not behind (n, at), as page and place
// there; page is -1 when there is none. It does not allocate.
func (p *pages) floor(n number, at int64) (page, i int) {
	low, high := 0, len(p.firsts) // the first page that begins behind n
	for low < high {
		if mid := int(uint(low+high) >> 1); p.firsts[mid] <= n {
			low = mid + 1
		} else {
			high = mid
		}
	}
	// A number's rows may begin at the end of the page before.
	for page = low - 1; page >= 0; page-- {
		if i = floorIn(p.rows[page], n, at, p.guess(page, n)); i >= 0 {
			return page, i
		}
	}
	return -1, 0
}

// guess is where a number would stand in its page if the page's numbers were at
// equal distances. Blocks of numbers mostly are, and each row looked at in vain
// is one that the processor fetches from memory.
func (p *pages) guess(page int, n number) int {
	rows := len(p.rows[page])
	if page+1 >= len(p.firsts) || p.firsts[page+1] <= n {
		return rows - 1
	}
	first, behind := p.firsts[page], p.firsts[page+1]
	return min(int(float64(n-first)/float64(behind-first)*float64(rows)), rows-1)
}

// floorIn returns the last row of a page whose key is not behind (n, at), -1 when
// there is none. It goes from the guess in steps that double, then halves the rest.
func floorIn(rows []row, n number, at int64, guess int) int {
	holds := func(i int) bool { r := &rows[i]; return r.number < n || r.number == n && r.from <= at }
	low, high := -1, len(rows) // low holds, high does not
	if holds(guess) {
		low = guess
		for step := 1; low+step < len(rows); step *= 2 {
			if !holds(low + step) {
				high = low + step
				break
			}
			low += step
		}
	} else {
		high = guess
		for step := 1; high-step >= 0; step *= 2 {
			if holds(high - step) {
				low = high - step
				break
			}
			high -= step
		}
	}
	for high-low > 1 {
		if mid := int(uint(low+high) >> 1); holds(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// at returns the row of a number that is valid then.
func (p *pages) at(n number, then int64) (*row, bool) {
	page, i := p.floor(n, then)
	if page < 0 {
		return nil, false
	}
	r := &p.rows[page][i]
	return r, r.number == n && then < r.until
}

// exactly returns the row of a number that begins then.
func (p *pages) exactly(n number, from int64) (*row, bool) {
	page, i := p.floor(n, from)
	if page < 0 {
		return nil, false
	}
	r := &p.rows[page][i]
	return r, r.number == n && r.from == from
}

// has reports whether a number is there at any time.
func (p *pages) has(n number) bool {
	page, i := p.floor(n, endless)
	return page >= 0 && p.rows[page][i].number == n
}

// around returns the rows of a number that lie before and behind a time when
// none is valid; nil where there is none.
func (p *pages) around(n number, then int64) (before, behind *row) {
	for r := range p.from(n, beginless) {
		switch {
		case r.number != n:
			return before, nil
		case r.from > then:
			return before, r
		}
		before = r
	}
	return before, nil
}

// previous returns the row before the one at a place; nil: there is none.
func (p *pages) previous(page, i int) *row {
	switch {
	case i > 0:
		return &p.rows[page][i-1]
	case page > 0:
		last := p.rows[page-1]
		return &last[len(last)-1]
	}
	return nil
}

// from goes through the rows in order, beginning at a key.
func (p *pages) from(n number, at int64) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		page, i := p.floor(n, at)
		if page < 0 {
			page, i = 0, 0
		}
		for ; page < len(p.rows); page, i = page+1, 0 {
			for ; i < len(p.rows[page]); i++ {
				r := &p.rows[page][i]
				if r.before(n, at) {
					continue
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// op puts a row in the place of the one with its key, or takes that one away.
type op struct {
	row
	remove bool
	index  int    // in the list it was written in
	path   string // of where a pool lists it; empty: it stands in numbers
}

// at is where it was written.
func (o *op) at() string {
	if o.path != "" {
		return o.path
	}
	return fmt.Sprintf("numbers[%d]", o.index)
}

func compareOps(a, b op) int {
	return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.from, b.from))
}

// merge carries out ops, which are in order and have a key each of their own.
// gone is told of each row that is there no more or replaced. missing are ops
// that were to remove what is not there.
func (p *pages) merge(ops []op, gone func(*row)) (next pages, missing []op) {
	next = pages{
		firsts: make([]number, 0, len(p.firsts)+len(ops)/pageRows+1),
		rows:   make([][]row, 0, len(p.rows)+len(ops)/pageRows+1),
		count:  p.count,
	}
	for i := 0; i < len(p.rows) || len(ops) > 0; i++ {
		n := len(ops)
		var old []row
		if i < len(p.rows) {
			old = p.rows[i]
		}
		if i+1 < len(p.rows) {
			behind := &p.rows[i+1][0]
			n = 0
			for n < len(ops) && ops[n].before(behind.number, behind.from) {
				n++
			}
		}
		if n == 0 {
			next.firsts, next.rows = append(next.firsts, p.firsts[i]), append(next.rows, old)
			continue
		}
		var merged []row
		merged, missing = mergeRows(old, ops[:n], gone, missing)
		next.count += len(merged) - len(old)
		next.add(merged)
		ops = ops[n:]
	}
	return next, missing
}

// add appends rows as pages, with a page before that is small together.
func (p *pages) add(rows []row) {
	if last := len(p.rows) - 1; last >= 0 && len(p.rows[last])+len(rows) <= pageRows/2 {
		rows = slices.Concat(p.rows[last], rows)
		p.firsts, p.rows = p.firsts[:last], p.rows[:last]
	}
	if len(rows) == 0 {
		return
	}
	parts := (len(rows) + pageRows - 1) / pageRows
	for part := range parts {
		// Copied, so that a page that is replaced gives its memory back.
		page := slices.Clone(rows[part*len(rows)/parts : (part+1)*len(rows)/parts])
		p.firsts, p.rows = append(p.firsts, page[0].number), append(p.rows, page)
	}
}

func mergeRows(old []row, ops []op, gone func(*row), missing []op) ([]row, []op) {
	merged := make([]row, 0, len(old)+len(ops))
	for _, o := range ops {
		for len(old) > 0 && old[0].before(o.number, o.from) {
			merged, old = append(merged, old[0]), old[1:]
		}
		found := len(old) > 0 && old[0].number == o.number && old[0].from == o.from
		if found {
			gone(&old[0])
			old = old[1:]
		}
		switch {
		case !o.remove:
			merged = append(merged, o.row)
		case !found:
			missing = append(missing, o)
		}
	}
	return append(merged, old...), missing
}
