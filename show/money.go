package show

import (
	"strings"
)

// digits says how many decimals a currency has where it is not two (ISO 4217).
var digits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
	"VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

var signs = map[string]string{"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}

// money formats an amount in minor units, given as the digits that stand in the data: ₹1,29,900.00. The digits are never
// turned into a number, so no amount is too long to be shown exactly. What is no whole number is shown as it is.
func money(minor, currency string) string {
	sign, number := "", minor
	if rest, negative := strings.CutPrefix(number, "-"); negative {
		sign, number = "−", rest
	}
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return strings.TrimSpace(minor + " " + currency)
	}
	currency = strings.ToUpper(currency)
	decimals, special := digits[currency]
	if !special {
		decimals = 2
	}
	for len(number) <= decimals {
		number = "0" + number
	}
	whole, part := number[:len(number)-decimals], number[len(number)-decimals:]
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	out := grouped(whole, currency == "INR")
	if decimals > 0 {
		out += "." + part
	}
	if mark, known := signs[currency]; known {
		return sign + mark + out
	}
	return strings.TrimSpace(sign + currency + " " + out)
}

// grouped puts commas in: by thousands, or in India by thousand, lakh and crore.
func grouped(whole string, indian bool) string {
	if len(whole) <= 3 {
		return whole
	}
	step := 3
	if indian {
		step = 2
	}
	head, out := whole[:len(whole)-3], whole[len(whole)-3:]
	for len(head) > step {
		head, out = head[:len(head)-step], head[len(head)-step:]+","+out
	}
	return head + "," + out
}
