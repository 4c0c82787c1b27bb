// Package secret keeps credentials from being seen: it seals them for the book, and it takes them out of whatever is
// stored, shown or logged.
//
// Its promises: a sealed value opens only with the key it was sealed with and only under its own name, and the error
// says which of the two is wrong and what to do. A value the Redactor knows does not survive it, in clear or in base64,
// URL or JSON spelling, whole. Signatures stay readable, because they are needed to understand a refusal and give
// nothing away; credentials become fingerprints, so that two of them can be compared.
//
// It must not know where keys and values are kept: files belong to the command line, sealed values to the book.
package secret
