package flow

import (
	"cmp"
	"strings"

	"waybill"
)

// Has reports whether the flow has a step of an address, with or without the keys of loops' items.
func (f *Flow) Has(address string) bool {
	plain := waybill.PlainAddress(address)
	found := false
	walkSteps(f.steps, func(s *step) { found = found || s.address == plain })
	return found
}

// Former is the address that a step had before it, or a step around it, was renamed: its own when none was. Keys of loops' items stay.
func (f *Flow) Former(address string) string {
	was := map[string]string{}
	walkSteps(f.steps, func(s *step) { was[s.address] = s.was })
	var out strings.Builder
	from, depth := 0, 0
	for i := range len(address) + 1 {
		switch {
		case i < len(address) && address[i] == '[':
			depth++
		case i < len(address) && address[i] == ']':
			depth--
		case i == len(address) || address[i] == '.' && depth == 0:
			id, key, loops := strings.Cut(address[from:i], "[")
			plain := waybill.PlainAddress(address[:from]) + id
			out.WriteString(cmp.Or(was[plain], id))
			if loops {
				out.WriteString("[" + key)
			}
			if i < len(address) {
				out.WriteByte('.')
			}
			from = i + 1
		}
	}
	return out.String()
}
