package simulator

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// The alphabets a pattern may name.
const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func alphabet(name string) string {
	switch name {
	case "digits":
		return digits
	case "hex":
		return digits + "abcdef"
	case "upper":
		return upper + digits
	case "lower":
		return lower + digits
	case "base64":
		return upper + lower + digits + "+/"
	default: // base62
		return digits + upper + lower
	}
}

// expand makes a value of a pattern such as evt_{base62:24}. {KIND:N} is N characters of digits, hex, upper, lower,
// base62 or base64; {uuid} a version 4 UUID; {seq:N} a running number of N digits; {unix} the time in seconds.
func expand(pattern string, source *rand.Rand, seq int64, now time.Time) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(pattern, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		inside, after, _ := strings.Cut(rest, "}")
		kind, size, _ := strings.Cut(inside, ":")
		n, _ := strconv.Atoi(size)
		switch kind {
		case "unix":
			out.WriteString(strconv.FormatInt(now.Unix(), 10))
		case "seq":
			fmt.Fprintf(&out, "%0*d", n, seq)
		case "uuid":
			hi, lo := source.Uint64(), source.Uint64()
			fmt.Fprintf(&out, "%08x-%04x-4%03x-%04x-%012x",
				hi>>32, hi>>16&0xffff, hi&0xfff, 0x8000|lo>>48&0x3fff, lo&0xffffffffffff)
		default:
			letters := alphabet(kind)
			for i := range n {
				c := letters[source.IntN(len(letters))]
				if i == 0 && c == '0' && kind == "digits" {
					c = '1' // a number has no leading zero
				}
				out.WriteByte(c)
			}
		}
		pattern = after
	}
}
