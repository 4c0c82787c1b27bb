package simulator

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// customer is somebody who orders: made up, at example.com.
type customer struct {
	name  string
	email string
	phone string // E.164; empty for some
}

var givenNames = []string{ // a table that nothing changes
	"Asha", "Ravi", "Meera", "Arjun", "Lakshmi", "Imran", "Kavya", "Rohan", "Nisha", "Vikram", "Fatima", "Dev", "Anjali",
	"Suresh", "Zoya", "Harpreet", "Priya", "Joseph", "Tara", "Manoj", "Sana", "Gautam", "Ritu", "Omar",
}

var familyNames = []string{ // a table that nothing changes
	"Rao", "Kumar", "Iyer", "Shah", "Nair", "Khan", "Patel", "Das", "Menon", "Singh", "Mehta", "Bose", "Fernandes",
	"Chopra", "Reddy", "Joshi", "Gupta", "Pillai",
}

// person makes the nth customer: the first two are the ones of the handbook.
func person(source *rand.Rand, n int) customer {
	switch n {
	case 0:
		return customer{"Asha Rao", "asha@example.com", "+919876543210"}
	case 1:
		return customer{"Ravi Kumar", "ravi@example.com", "+919812345678"}
	}
	given := givenNames[source.IntN(len(givenNames))]
	family := familyNames[source.IntN(len(familyNames))]
	return customer{
		name:  given + " " + family,
		email: fmt.Sprintf("%s.%s%d@example.com", strings.ToLower(given), strings.ToLower(family), n),
		// 98xxx and 97xxx are Indian mobile series in full use.
		phone: fmt.Sprintf("+9198%08d", source.IntN(100_000_000)),
	}
}

func (c customer) vars() map[string]any {
	first, last, _ := strings.Cut(c.name, " ")
	vars := map[string]any{
		"amount": int64(129900), "currency": "INR", "name": c.name, "first_name": first, "last_name": last,
	}
	if c.email != "" {
		vars["email"] = c.email
	}
	if c.phone != "" {
		vars["phone"] = c.phone
	}
	return vars
}

// orderNumber is the number of the nth order: SO-1001 first.
func orderNumber(n int) string { return fmt.Sprintf("SO-%d", 1001+n) }
