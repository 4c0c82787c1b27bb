// Package show lets people see and act: the dashboard, the JSON API, health and metrics.
//
// It promises: every page is a plain GET and every action a plain POST, so that everything works without JavaScript;
// nothing from outside is ever more than text on a page; nobody sees or does anything without being signed in with a
// role that allows it; no page asks another host for anything; a number from the data is shown as it was written.
//
// routes.go is the site map: what is not in its table is not served. There is one file for each page, and beside it
// its template in pages/. A page is a typed struct; its template's block "main" is both the page's body and the
// fragment that a live page asks for, so that the two cannot differ.
//
// It must not know the book's SQL, connectors' manifests or how effects are sent: it reads through Reader and Lists,
// acts through Desk, and gets its words from Names and package watch.
package show
