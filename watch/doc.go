// Package watch puts what goes wrong into words: it groups failures by cause, names the group, and explains it in five
// fixed lines that a person without technical knowledge can act on. It also says in one sentence how the whole place is.
//
// It promises: the words for a cause never depend on the provider's own text, only on the closed list of causes and on
// what is known about the action (may it be repeated?); a group's key never changes once made, because its version is
// part of it; ids, numbers and addresses never become part of a key.
//
// It must not know the book, HTTP or HTML: it takes values and returns words.
package watch
