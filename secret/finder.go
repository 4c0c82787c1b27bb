package secret

import (
	"bytes"
	"slices"
)

// pattern is a text to look for and what stands in its place.
type pattern struct {
	text  []byte
	mark  string // what it becomes
	field bool   // the text is a JSON member's name; the string after it is what has to go
}

// finder finds many patterns in one pass (Wu and Manber): it looks at blocks of three bytes and, where no pattern can end
// there, steps forward by as much as the shortest pattern allows. It is immutable.
type finder struct {
	patterns []pattern
	window   int // the length of the shortest pattern
	shift    []uint8
	ends     map[uint32][]int // block -> the patterns whose window ends with it, longest first
}

const (
	blockBytes = 3
	blockSpace = 1 << 15
)

func block(b []byte) uint32 {
	return (uint32(b[0])<<10 ^ uint32(b[1])<<5 ^ uint32(b[2])) % blockSpace
}

// newFinder prepares patterns of at least blockBytes each.
func newFinder(patterns []pattern) *finder {
	f := &finder{patterns: patterns}
	if len(patterns) == 0 {
		return f
	}
	slices.SortStableFunc(f.patterns, func(a, b pattern) int { return len(b.text) - len(a.text) })
	f.window = min(len(patterns[len(patterns)-1].text), 200)
	f.shift = bytes.Repeat([]byte{uint8(f.window - blockBytes + 1)}, blockSpace)
	f.ends = map[uint32][]int{}
	for i, p := range f.patterns {
		for end := blockBytes; end <= f.window; end++ {
			h := block(p.text[end-blockBytes : end])
			f.shift[h] = min(f.shift[h], uint8(f.window-end))
			if end == f.window {
				f.ends[h] = append(f.ends[h], i)
			}
		}
	}
	return f
}

// span is a part of a text that has to go.
type span struct {
	from, to int
	mark     string
}

// find returns the parts of b that have to go, in order and apart from each other. Patterns that overlap make one span.
func (f *finder) find(b []byte) []span {
	if f.window == 0 {
		return nil
	}
	var spans []span
	for i := f.window; i <= len(b); {
		h := block(b[i-blockBytes : i])
		if s := f.shift[h]; s > 0 {
			i += int(s)
			continue
		}
		from := i - f.window
		for _, n := range f.ends[h] {
			p := &f.patterns[n]
			if !bytes.HasPrefix(b[from:], p.text) {
				continue
			}
			s := span{from: from, to: from + len(p.text), mark: p.mark}
			if p.field {
				var ok bool
				if s, ok = memberValue(b, s.to); !ok {
					continue
				}
			}
			spans = join(spans, s)
		}
		i++
	}
	return spans
}

// join adds a span; one that overlaps the last makes it longer.
func join(spans []span, s span) []span {
	n := len(spans)
	if n > 0 && s.from < spans[n-1].to {
		spans[n-1].to = max(spans[n-1].to, s.to)
		spans[n-1].from = min(spans[n-1].from, s.from)
		return spans
	}
	return append(spans, s)
}

// memberValue returns the inside of the JSON string that is the value after a member's name.
func memberValue(b []byte, at int) (span, bool) {
	i := at
	blank := func() {
		for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
			i++
		}
	}
	blank()
	if i == len(b) || b[i] != ':' {
		return span{}, false
	}
	i++
	blank()
	if i == len(b) || b[i] != '"' {
		return span{}, false
	}
	i++
	from := i
	for i < len(b) && b[i] != '"' {
		if b[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(b))
	if i == from {
		return span{}, false
	}
	return span{from: from, to: i, mark: Mark(string(b[from:i]))}, true
}
