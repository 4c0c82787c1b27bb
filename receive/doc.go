// Package receive takes in what other systems send: an http.Handler for /in/{connection}[/{token}] and /in/{app}.
//
// Its promises: a 2xx is sent only after the Recorder has said that the arrival is on stable storage. What is proven
// genuine is never rejected for its content: an unreadable body, one for another account, live traffic in a test book are
// kept whole with their reason and go on a person's list. What is turned away gets a clear answer, is counted and sampled,
// and costs bounded memory, whatever is sent and however fast. Credentials in addresses and headers are fingerprints
// before anything is kept. Nothing runs inline: it verifies, splits, records and answers.
//
// It must not know what an item means, who works on it, or how the book is written.
package receive
