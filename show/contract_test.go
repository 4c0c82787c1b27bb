package show_test

import (
	"waybill/record"
	"waybill/show"
)

// The book is what the pages read.
var (
	_ show.Reader  = (*record.Book)(nil)
	_ show.Lists   = (*record.Book)(nil)
	_ show.Changes = (*record.Book)(nil)
)
