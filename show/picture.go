package show

import (
	"fmt"
	"html/template"
	"strings"
)

// spark draws a row of bars, one for each figure, as an SVG that takes its colour from the text around it. It holds
// numbers only.
func spark(figures []int) template.HTML {
	if len(figures) == 0 {
		return ""
	}
	const height, step, width = 28, 5, 3
	top := 1
	for _, n := range figures {
		top = max(top, n)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 %d %d" preserveAspectRatio="none" aria-hidden="true">`, len(figures)*step-2, height)
	for i, n := range figures {
		h, class := 1.5, ` class="zero"`
		if n > 0 {
			h, class = max(3, float64(n)/float64(top)*height), ""
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="%d" height="%.1f" rx="0.8"%s/>`, i*step, height-h, width, h, class)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // numbers only
}

// share is one part of a proportional bar.
type share struct {
	Tone string
	N    int
}

// bar draws shares of a whole as an SVG: what is done, open and blocked of a flow.
func bar(shares ...share) template.HTML {
	total := 0
	for _, s := range shares {
		total += s.N
	}
	var b strings.Builder
	b.WriteString(`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" width="100" height="6"/>`)
	x := 0.0
	for _, s := range shares {
		if s.N == 0 {
			continue
		}
		w := max(1.5, float64(s.N)/float64(total)*100)
		fmt.Fprintf(&b, `<rect class="t-%s" x="%.2f" width="%.2f" height="6"/>`, s.Tone, min(x, 98.5), w)
		x += w
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // numbers and our own tones only
}

// barcode draws a text of printable ASCII as a Code 128 barcode (set B): the number of a waybill, for a scanner and for
// the eye. Other text has none.
func barcode(text string) template.HTML {
	if text == "" || len(text) > 64 {
		return ""
	}
	const start, stop = 104, 106
	codes, sum := []int{start}, start
	for i := range len(text) {
		c := int(text[i])
		if c < ' ' || c > '~' {
			return ""
		}
		codes = append(codes, c-' ')
		sum += (c - ' ') * (i + 1)
	}
	codes = append(codes, sum%103, stop)
	var b strings.Builder
	x := 0
	for _, code := range codes {
		for i, w := range code128[code] {
			if i%2 == 0 {
				fmt.Fprintf(&b, `M%d 0h%dv24h-%dz`, x, w-'0', w-'0')
			}
			x += int(w - '0')
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="barcode" viewBox="0 0 %d 24" preserveAspectRatio="none" aria-hidden="true"><path d="%s"/></svg>`, x, b.String()))
}

// code128 are the widths of bars and spaces of each symbol (ISO/IEC 15417).
var code128 = strings.Fields(`
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 123122
123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 232121 111323
131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 313121 211331 231131
213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 111422 121124 121421 141122
141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 124112
124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141
411131 211412 211214 211232 2331112`)
