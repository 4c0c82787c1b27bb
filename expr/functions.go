package expr

import (
	"slices"
	"strings"
)

// Function is one entry of the library, for docs and for `waybill eval`.
type Function struct {
	Name        string // money, or .format for a method
	Group       string // money, phone, text, …
	Forms       []string
	Description string
	Examples    []Example
}

// Example is an expression and its value as JSON; they run as tests.
type Example struct {
	Expr  string
	Value string
}

// Functions is the business function library, by group. Beside it stand CEL's own functions and those of its strings,
// lists, math, sets, encoders, regex and comprehension extensions.
func Functions() []Function {
	return slices.Concat(moneyFunctions(), contactFunctions(), dateFunctions(), textFunctions(), listFunctions(), bookFunctions())
}

// signatures writes how a function of the library is called, "" for others.
func signatures(name string) string {
	for _, f := range Functions() {
		if strings.TrimPrefix(f.Name, ".") == name {
			return strings.Join(f.Forms, " or ")
		}
	}
	return ""
}

func moneyFunctions() []Function {
	return []Function{
		{
			"money", "money",
			[]string{`money(minor, "INR")`},
			"An amount from minor units (paise, cents) and a currency code. + - < <= > >= == work within one currency.",
			[]Example{
				{`money(129900, "INR")`, `{"currency":"INR","minor":129900}`},
				{`money(100, "inr") + money(50, "INR")`, `{"currency":"INR","minor":150}`},
				{`money(100, "INR") - money(150, "INR")`, `{"currency":"INR","minor":-50}`},
				{`money(100, "INR") < money(150, "INR")`, `true`},
				{`money(100, "INR") == money(100, "USD")`, `false`},
			},
		},
		{
			"money_of", "money",
			[]string{`money_of("1299.00", "INR")`},
			"An amount from a decimal number or text. More decimals than the currency has are an error.",
			[]Example{
				{`money_of("1299.00", "INR")`, `{"currency":"INR","minor":129900}`},
				{`money_of(12.5, "USD")`, `{"currency":"USD","minor":1250}`},
				{`money_of("500", "JPY")`, `{"currency":"JPY","minor":500}`},
				{`money_of("1.234", "KWD")`, `{"currency":"KWD","minor":1234}`},
			},
		},
		{
			"minor_of", "money",
			[]string{`minor_of("12.50", "INR")`},
			"The minor units of a decimal amount.",
			[]Example{{`minor_of("12.50", "INR")`, `1250`}},
		},
		{
			".decimal", "money",
			[]string{"m.decimal()"},
			"The amount as a plain decimal text, for systems.",
			[]Example{
				{`money(129900, "INR").decimal()`, `"1299.00"`},
				{`money(500, "JPY").decimal()`, `"500"`},
				{`money(-5, "USD").decimal()`, `"-0.05"`},
			},
		},
		{
			".format", "money",
			[]string{"m.format()", `m.format("de-DE")`},
			"The amount as people write it; rupees with lakh and crore grouping. The locale is the currency's own unless given.",
			[]Example{
				{`money(12345678900, "INR").format()`, `"₹12,34,56,789.00"`},
				{`money(123456700, "USD").format()`, `"$1,234,567.00"`},
				{`money(123456, "EUR").format("de-DE")`, "\"1.234,56\u00a0€\""},
				{`money(123456, "JPY").format()`, `"¥123,456"`},
				{`money(1234567, "KWD").format()`, "\"KWD\u00a01,234.567\""},
				{`money(-123456, "EUR").format("fr-FR")`, "\"-1\u00a0234,56\u00a0€\""},
			},
		},
		{
			".negate", "money",
			[]string{"m.negate()"},
			"The same amount with the other sign.",
			[]Example{{`money(100, "INR").negate()`, `{"currency":"INR","minor":-100}`}},
		},
		{
			".allocate", "money",
			[]string{"m.allocate([1, 1, 1])"},
			"Splits an amount by weights without losing a unit: what does not divide goes to the first ones.",
			[]Example{{`money(100, "INR").allocate([1, 1, 1]).map(m, m.minor)`, `[34,33,33]`}},
		},
	}
}

func contactFunctions() []Function {
	return []Function{
		{
			"phone", "phone",
			[]string{"phone(x)", `phone(x, "IN")`},
			"The number in international form (E.164); an error when it is no valid number. Without + it is of the region.",
			[]Example{
				{`phone("+91 98765 43210")`, `"+919876543210"`},
				{`phone("098765-43210", "IN")`, `"+919876543210"`},
			},
		},
		{
			"phone_valid", "phone",
			[]string{"phone_valid(x)", `phone_valid(x, "IN")`},
			"Whether it is a valid number.",
			[]Example{{`phone_valid("+91 98765 43210")`, `true`}, {`phone_valid("12", "IN")`, `false`}},
		},
		{
			"mask_phone", "phone",
			[]string{"mask_phone(x)"},
			"The number with only its last four digits left.",
			[]Example{{`mask_phone("+919876543210")`, `"+********3210"`}},
		},
		{
			"email", "email",
			[]string{"email(x)"},
			"The address trimmed and in small letters; an error when it is none.",
			[]Example{{`email(" Asha@Example.COM ")`, `"asha@example.com"`}},
		},
		{
			"email_valid", "email",
			[]string{"email_valid(x)"},
			"Whether it is an e-mail address.",
			[]Example{{`email_valid("asha@example.com")`, `true`}, {`email_valid("asha")`, `false`}},
		},
		{
			"mask_email", "email",
			[]string{"mask_email(x)"},
			"The address with only its first letter and domain left.",
			[]Example{{`mask_email("asha@example.com")`, `"a***@example.com"`}},
		},
		{
			"first_name", "name",
			[]string{"first_name(full)"},
			"The first of a full name, without a title such as Dr.",
			[]Example{
				{`first_name("Dr. Asha Rao")`, `"Asha"`}, {`first_name("Rao, Asha")`, `"Asha"`}, {`first_name("Asha")`, `"Asha"`},
			},
		},
		{
			"last_name", "name",
			[]string{"last_name(full)"},
			`The rest of a full name; "" when there is one name only.`,
			[]Example{
				{`last_name("Asha Devi Rao")`, `"Devi Rao"`}, {`last_name("Rao, Asha")`, `"Rao"`}, {`last_name("Asha")`, `""`},
			},
		},
		{
			"title_case", "name",
			[]string{"title_case(x)"},
			"Every word with a capital letter.",
			[]Example{{`title_case("asha RAO")`, `"Asha Rao"`}},
		},
	}
}

func dateFunctions() []Function {
	return []Function{
		{
			"date", "date",
			[]string{"date(time)", `date(time, "Asia/Kolkata")`},
			"The day of a time in a zone (the workspace's unless given): 2026-01-31.",
			[]Example{{`date(timestamp("2026-01-31T20:00:00Z"), "Asia/Kolkata")`, `"2026-02-01"`}},
		},
		{
			"format_date", "date",
			[]string{`format_date(time, "2 Jan 2006")`, `format_date(time, "dd MMM yyyy", "Asia/Kolkata")`},
			"A time written as a pattern says: Go's (2 Jan 2006 15:04) or letters (dd MMM yyyy HH:mm).",
			[]Example{
				{`format_date(timestamp("2026-01-31T20:00:00Z"), "2 Jan 2006")`, `"31 Jan 2026"`},
				{`format_date(timestamp("2026-01-31T20:00:00Z"), "dd MMM yyyy HH:mm", "Asia/Kolkata")`, `"01 Feb 2026 01:30"`},
			},
		},
		{
			"parse_date", "date",
			[]string{`parse_date("31/01/2026", "dd/MM/yyyy")`, `parse_date(text, pattern, "Asia/Kolkata")`},
			"The time that a text says, by the same patterns.",
			[]Example{{`parse_date("31/01/2026", "dd/MM/yyyy", "Asia/Kolkata")`, `"2026-01-30T18:30:00Z"`}},
		},
		{
			"unix", "date",
			[]string{"unix(seconds)"},
			"The time of a count of seconds since 1970.",
			[]Example{{`unix(1767225600)`, `"2026-01-01T00:00:00Z"`}},
		},
		{
			"unix_ms", "date",
			[]string{"unix_ms(milliseconds)"},
			"The time of a count of milliseconds since 1970.",
			[]Example{{`unix_ms(1767225600500)`, `"2026-01-01T00:00:00.5Z"`}},
		},
		{
			"to_unix", "date",
			[]string{"to_unix(time)"},
			"Seconds since 1970.",
			[]Example{{`to_unix(timestamp("2026-01-01T00:00:00Z"))`, `1767225600`}},
		},
		{
			"to_unix_ms", "date",
			[]string{"to_unix_ms(time)"},
			"Milliseconds since 1970.",
			[]Example{{`to_unix_ms(timestamp("2026-01-01T00:00:00.5Z"))`, `1767225600500`}},
		},
		{
			"add_days", "date",
			[]string{"add_days(time, 3)", `add_days(time, 3, "Asia/Kolkata")`},
			"The same hour some days later in a zone, through changes of summer time.",
			[]Example{
				{`add_days(timestamp("2026-01-31T20:00:00Z"), 1)`, `"2026-02-01T20:00:00Z"`},
				{`add_days(timestamp("2026-03-28T12:00:00Z"), 1, "Europe/Berlin")`, `"2026-03-29T11:00:00Z"`},
			},
		},
	}
}

func textFunctions() []Function {
	return []Function{
		{
			"clean", "text",
			[]string{"clean(x)"},
			"Trimmed, runs of spaces made one, invisible and control characters dropped, composed (NFC).",
			[]Example{{`clean("  Asha\u200b   Rao\n")`, `"Asha Rao"`}},
		},
		{
			"slug", "text",
			[]string{"slug(x)"},
			"Small letters and digits joined by dashes, for addresses and file names.",
			[]Example{{`slug("Crème Brûlée, No. 5!")`, `"creme-brulee-no-5"`}},
		},
		{"fold", "text", []string{"fold(x)"}, "Letters without their accents.", []Example{{`fold("Crème")`, `"Creme"`}}},
		{"digits", "text", []string{"digits(x)"}, "Only the digits.", []Example{{`digits("SO-10 01")`, `"1001"`}}},
		{
			".limit", "text",
			[]string{"x.limit(80)"},
			"At most so many characters; the last is … when something was cut.",
			[]Example{{`"payment received".limit(8)`, `"payment…"`}, {`"paid".limit(8)`, `"paid"`}},
		},
		{
			"hash_sha256", "text",
			[]string{"hash_sha256(x)"},
			"The SHA-256 of the text in hex.",
			[]Example{{`hash_sha256("a")`, `"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`}},
		},
		{
			"short_id", "text",
			[]string{"short_id(x)"},
			"Ten letters and digits made from a text: the same for the same text.",
			[]Example{{`size(short_id("SO-1001"))`, `10`}, {`short_id("a") == short_id("a")`, `true`}},
		},
		{
			"present", "text",
			[]string{"present(a.b.c)"},
			`The value if it is there: missing fields, null and "" count as absent.`,
			[]Example{
				{`present("").orValue("none")`, `"none"`},
				{`present({"a": "x"}.a).orValue("none")`, `"x"`},
				{`present({"a": "x"}.b).hasValue()`, `false`},
			},
		},
		{
			"coalesce", "text",
			[]string{"coalesce(a.?b, c.?d)"},
			"The first of two to five values that is there, if any.",
			[]Example{
				{`coalesce(optional.none(), optional.of("x")).orValue("y")`, `"x"`},
				{`coalesce(optional.none(), optional.none()).orValue("y")`, `"y"`},
			},
		},
		{
			"first_non_empty", "text",
			[]string{`first_non_empty([a, b])`},
			`The first text that is not "", if any.`,
			[]Example{{`first_non_empty(["", "b"]).orValue("none")`, `"b"`}},
		},
	}
}

func listFunctions() []Function {
	return []Function{
		{
			"sum", "list",
			[]string{"sum(list)"},
			"The sum of whole numbers, decimals, or money of one currency (at least one item).",
			[]Example{
				{`sum([1, 2, 3])`, `6`},
				{`sum([0.5, 0.25])`, `0.75`},
				{`sum([money(1, "INR"), money(2, "INR")])`, `{"currency":"INR","minor":3}`},
			},
		},
		{
			"by", "list",
			[]string{`by(list, "field")`},
			"The items by one of their fields; a later item replaces an earlier one.",
			[]Example{{`by([{"id": "a", "n": 1}], "id")["a"].n`, `1`}},
		},
		{".first", "list", []string{"list.first()"}, "The first item, if any.", []Example{{`[1, 2].first().orValue(0)`, `1`}}},
		{".last", "list", []string{"list.last()"}, "The last item, if any.", []Example{{`[1, 2].last().orValue(0)`, `2`}}},
		{".join", "list", []string{`list.join(", ")`}, "Texts joined.", []Example{{`["a", "b"].join(", ")`, `"a, b"`}}},
		{".distinct", "list", []string{"list.distinct()"}, "Each item once.", []Example{{`[1, 2, 1].distinct()`, `[1,2]`}}},
	}
}

func bookFunctions() []Function {
	return []Function{
		{
			"table", "book",
			[]string{`table("name", key)`},
			"What a translation table says for a key. A key with fixed possibilities must all be in the table, or it has an otherwise.", nil,
		},
		{
			"pairing", "book",
			[]string{`pairing("deal", "stripe", id, "crm")`},
			"The id in one system of the object that has this id in another, if it is known.", nil,
		},
	}
}
