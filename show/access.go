package show

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill"
)

// How long things are good for.
const (
	linkLife    = 15 * time.Minute // the first start's link
	inviteLife  = 72 * time.Hour   // an invitation
	idleLife    = 8 * time.Hour    // a session that is not used
	sessionLife = 30 * 24 * time.Hour
	touchEvery  = 5 * time.Minute // how exactly a session's last use is kept
	maxSessions = 500
	maxLinks    = 100
)

// firstPerson is who the one-time link of the first start signs in.
const firstPerson = "admin"

// Access decides who may come in. There are no passwords: a person comes in by a link that works once, a program by a
// token. Only hashes are kept, so that a copy of the book opens nothing.
type Access struct {
	store  Store
	now    func() time.Time
	random io.Reader
	auto   bool
	https  bool
	mu     sync.Mutex // one change at a time
	own    atomic.Pointer[keptSecret]
}

func newAccess(o Options, https bool) *Access {
	a := &Access{store: o.Store, now: o.Now, random: o.Random, auto: o.Auto, https: https}
	if a.random == nil {
		a.random = rand.Reader
	}
	if a.now == nil {
		a.now = time.Now
	}
	return a
}

// NewAccess returns an Access over a store, for commands that make links and tokens without serving pages.
func NewAccess(store Store, now func() time.Time, random io.Reader) *Access {
	return newAccess(Options{Store: store, Now: now, Random: random}, false)
}

// Person is somebody who is signed in, or a program with a token.
type Person struct {
	Name  string
	Role  Role
	Token bool // a program's
}

// The kept forms. Each is one setting that holds a list.
type (
	keptUser struct {
		Name  string    `json:"name"`
		Role  Role      `json:"role"`
		Added time.Time `json:"added"`
	}
	keptSecret struct { // a link, a session or a token, by its hash
		Hash  string    `json:"hash"`
		Name  string    `json:"name"`
		Role  Role      `json:"role,omitempty"` // of a token; a person's is the user's
		Made  time.Time `json:"made"`
		Until time.Time `json:"until,omitzero"`
		Used  time.Time `json:"used,omitzero"`
	}
)

const (
	usersSetting    = "show/users"
	linksSetting    = "show/links"
	sessionsSetting = "show/sessions"
	tokensSetting   = "show/tokens"
)

// OfTheMoment names what is kept and must not come back with a backup of the book: a session that was ended since, or a link that
// was used, would be good again. Tokens and people do come back; who restores looks at them.
func OfTheMoment() []string { return []string{linksSetting, sessionsSetting} }

// OneTimeLink returns the path of a link that signs in the first admin once, within 15 minutes. Earlier ones that were
// not used stop working.
func (a *Access) OneTimeLink(ctx context.Context) (string, error) {
	return a.link(ctx, firstPerson, Admin, linkLife)
}

// Invite adds a person, or gives a known one another role, and returns the path of a link that signs them in once,
// within three days.
func (a *Access) Invite(ctx context.Context, name string, role Role) (string, error) {
	return a.link(ctx, name, role, inviteLife)
}

func (a *Access) link(ctx context.Context, name string, role Role, life time.Duration) (string, error) {
	name, err := named(name, role)
	if err != nil {
		return "", err
	}
	token, hash := a.secret()
	now := a.now()
	err = a.together(ctx, func(t *turn) error {
		if tokens, err := look[keptSecret](ctx, t, tokensSetting); err != nil {
			return err
		} else if slices.ContainsFunc(tokens, func(t keptSecret) bool { return t.Name == name }) {
			return taken(name, "a token")
		}
		if err := change(ctx, t, usersSetting, func(list []keptUser) []keptUser {
			i := slices.IndexFunc(list, func(u keptUser) bool { return u.Name == name })
			if i < 0 {
				return append(list, keptUser{name, role, now})
			}
			list[i].Role = role
			return list
		}); err != nil {
			return err
		}
		return change(ctx, t, linksSetting, func(list []keptSecret) []keptSecret {
			list = slices.DeleteFunc(list, func(l keptSecret) bool { return l.Name == name || !now.Before(l.Until) })
			return newest(append(list, keptSecret{Hash: hash, Name: name, Made: now, Until: now.Add(life)}), maxLinks)
		})
	})
	if err != nil {
		return "", err
	}
	return "/sign-in/once/" + token, nil
}

// named is the name under which somebody or something comes in, checked, with its role.
func named(name string, role Role) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "" || len(name) > 80 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		return "", &waybill.Error{Kind: waybill.Invalid, Message: "a name has 1 to 80 characters", Hint: "give a name people know, like asha"}
	case !role.Valid():
		return "", &waybill.Error{Kind: waybill.Invalid, Message: "there is no role " + string(role), Hint: "use viewer, operator or admin"}
	}
	return name, nil
}

// taken says that a name is another's: what is done under it would not show who did it.
func taken(name, whose string) error {
	return &waybill.Error{
		Kind: waybill.Conflict, Message: fmt.Sprintf("%s is called %q already; what was done could not be told apart", whose, name),
		Hint: "choose another name, or remove that one first: waybill user remove " + name,
	}
}

// Token makes a bearer token for a program. It is shown this once only. An earlier token of the same name stops working:
// to make one anew is to rotate it.
func (a *Access) Token(ctx context.Context, name string, role Role) (string, error) {
	name, err := named(name, role)
	if err != nil {
		return "", err
	}
	token, hash := a.secret()
	err = a.together(ctx, func(t *turn) error {
		if users, err := look[keptUser](ctx, t, usersSetting); err != nil {
			return err
		} else if slices.ContainsFunc(users, func(u keptUser) bool { return u.Name == name }) {
			return taken(name, "a person")
		}
		return change(ctx, t, tokensSetting, func(list []keptSecret) []keptSecret {
			list = slices.DeleteFunc(list, func(s keptSecret) bool { return s.Name == name })
			return append(list, keptSecret{Hash: hash, Name: name, Role: role, Made: a.now()})
		})
	})
	if err != nil {
		return "", err
	}
	return "wbt_" + token, nil
}

// Own makes a bearer token that only this process takes, and that ends with it: it is kept nowhere. An earlier one stops
// working.
func (a *Access) Own(name string, role Role) string {
	token, hash := a.secret()
	a.own.Store(&keptSecret{Hash: hash, Name: name, Role: role})
	return "wbt_" + token
}

// Remove takes away everything by which a person or token of this name comes in, at once. One that nobody and nothing has is
// not found.
func (a *Access) Remove(ctx context.Context, name string) error {
	return a.together(ctx, func(t *turn) error {
		found := false
		if err := change(ctx, t, usersSetting, func(list []keptUser) []keptUser {
			return slices.DeleteFunc(list, func(u keptUser) bool { found = found || u.Name == name; return u.Name == name })
		}); err != nil {
			return err
		}
		for _, setting := range []string{linksSetting, sessionsSetting, tokensSetting} {
			if err := change(ctx, t, setting, func(list []keptSecret) []keptSecret {
				return slices.DeleteFunc(list, func(s keptSecret) bool { found = found || s.Name == name; return s.Name == name })
			}); err != nil {
				return err
			}
		}
		if !found {
			return &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("nobody and no token is called %q here; nothing was changed", name), Hint: "see who is: waybill user list"}
		}
		return nil
	})
}

// People lists who may come in, tokens included.
func (a *Access) People(ctx context.Context) ([]Person, error) {
	users, err := load[keptUser](ctx, a.store, usersSetting)
	if err != nil {
		return nil, err
	}
	tokens, err := load[keptSecret](ctx, a.store, tokensSetting)
	if err != nil {
		return nil, err
	}
	var list []Person
	for _, u := range users {
		list = append(list, Person{Name: u.Name, Role: u.Role})
	}
	for _, t := range tokens {
		list = append(list, Person{Name: t.Name, Role: t.Role, Token: true})
	}
	return list, nil
}

// linkGood says whether a link would sign somebody in, without using it up.
func (a *Access) linkGood(ctx context.Context, token string) (string, bool) {
	links, err := load[keptSecret](ctx, a.store, linksSetting)
	if err != nil {
		return "", false
	}
	i := find(links, token)
	if i < 0 || !a.now().Before(links[i].Until) {
		return "", false
	}
	return links[i].Name, true
}

// useLink uses up a link and opens a session for whom it names.
func (a *Access) useLink(ctx context.Context, token string) (session string, err error) {
	now := a.now()
	name := ""
	session, hash := a.secret()
	err = a.together(ctx, func(t *turn) error {
		name = ""
		if err := change(ctx, t, linksSetting, func(list []keptSecret) []keptSecret {
			if i := find(list, token); i >= 0 {
				if now.Before(list[i].Until) {
					name = list[i].Name
				}
				list = slices.Delete(list, i, i+1)
			}
			return list
		}); err != nil || name == "" {
			return err
		}
		return change(ctx, t, sessionsSetting, func(list []keptSecret) []keptSecret {
			list = slices.DeleteFunc(list, func(s keptSecret) bool { return over(s, now) })
			return newest(append(list, keptSecret{Hash: hash, Name: name, Made: now, Used: now}), maxSessions)
		})
	})
	if err != nil {
		return "", err
	}
	if name == "" {
		return "", &waybill.Error{
			Kind: waybill.Forbidden, Message: "this link was used already or is too old",
			Hint: "ask for a new one: waybill user add " + firstPerson,
		}
	}
	return session, nil
}

// end closes a session.
func (a *Access) end(ctx context.Context, session string) error {
	return a.together(ctx, func(t *turn) error {
		return change(ctx, t, sessionsSetting, func(list []keptSecret) []keptSecret {
			if i := find(list, session); i >= 0 {
				list = slices.Delete(list, i, i+1)
			}
			return list
		})
	})
}

// who says who a request is from; ok is false for nobody. With a bearer token nothing else counts. An error says that it cannot be
// told now: nobody is to be sent to sign in for that.
func (a *Access) who(r *http.Request) (p Person, ok bool, err error) {
	if h := r.Header.Get("Authorization"); h != "" {
		token, isBearer := strings.CutPrefix(h, "Bearer wbt_")
		if !isBearer {
			return Person{}, false, nil
		}
		return a.byToken(r.Context(), token)
	}
	if c, missing := r.Cookie(a.cookieName(r)); missing == nil {
		if p, ok, err := a.bySession(r.Context(), c.Value, r.Header.Get("HX-Request") == ""); ok || err != nil {
			return p, ok, err
		}
	}
	if a.auto && fromHere(r) {
		return Person{Name: "demo", Role: Admin}, true, nil
	}
	return Person{}, false, nil
}

func (a *Access) byToken(ctx context.Context, token string) (p Person, ok bool, err error) {
	if own := a.own.Load(); own != nil && find([]keptSecret{*own}, token) == 0 {
		return Person{Name: own.Name, Role: own.Role, Token: true}, true, nil
	}
	tokens, err := load[keptSecret](ctx, a.store, tokensSetting)
	if err != nil {
		return Person{}, false, err
	}
	i := find(tokens, token)
	if i < 0 {
		return Person{}, false, nil
	}
	return Person{Name: tokens[i].Name, Role: tokens[i].Role, Token: true}, true, nil
}

// bySession finds the person of a session. Touch says that a person did this, not a live page by itself.
func (a *Access) bySession(ctx context.Context, session string, touch bool) (p Person, ok bool, err error) {
	sessions, err := load[keptSecret](ctx, a.store, sessionsSetting)
	if err != nil {
		return Person{}, false, err
	}
	now := a.now()
	i := find(sessions, session)
	if i < 0 || over(sessions[i], now) {
		return Person{}, false, nil
	}
	users, err := load[keptUser](ctx, a.store, usersSetting)
	if err != nil {
		return Person{}, false, err
	}
	u := slices.IndexFunc(users, func(u keptUser) bool { return u.Name == sessions[i].Name })
	if u < 0 {
		return Person{}, false, nil
	}
	if touch && now.Sub(sessions[i].Used) > touchEvery {
		// A session that cannot be touched is still good; it only ends earlier.
		_ = a.together(ctx, func(t *turn) error {
			return change(ctx, t, sessionsSetting, func(list []keptSecret) []keptSecret {
				if i := find(list, session); i >= 0 {
					list[i].Used = now
				}
				return list
			})
		})
	}
	return Person{Name: users[u].Name, Role: users[u].Role}, true, nil
}

func over(s keptSecret, now time.Time) bool {
	return now.Sub(s.Used) >= idleLife || now.Sub(s.Made) >= sessionLife
}

// cookieName has the prefix that binds a cookie to this very host and TLS where that can be.
func (a *Access) cookieName(r *http.Request) string {
	if a.https || r.TLS != nil {
		return "__Host-waybill"
	}
	return "waybill"
}

func (a *Access) setCookie(w http.ResponseWriter, r *http.Request, session string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: a.cookieName(r), Value: session, Path: "/", MaxAge: int(life.Seconds()),
		Secure: a.https || r.TLS != nil, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// fromHere reports whether a request comes from this very machine and asks for it by name: neither passed on by a
// proxy nor sent by a page elsewhere whose name was made to point here.
func fromHere(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !addr.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return ap.Addr().Unmap().IsLoopback()
	}
	host, _, _ = strings.Cut(host, ":")
	return host == "localhost" || host == "127.0.0.1"
}

// secret returns a new secret of 256 bits, for a person, and its hash, to be kept.
func (a *Access) secret() (token, hash string) {
	var b [32]byte
	if _, err := io.ReadFull(a.random, b[:]); err != nil {
		panic("show: no randomness for a session: " + err.Error())
	}
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashOf(token)
}

func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// find returns the place of a secret, -1 when it is not there.
func find(list []keptSecret, token string) int {
	want := []byte(hashOf(token))
	return slices.IndexFunc(list, func(s keptSecret) bool { return subtle.ConstantTimeCompare([]byte(s.Hash), want) == 1 })
}

// newest keeps the last n of a list.
func newest[T any](list []T, n int) []T {
	if len(list) > n {
		return list[len(list)-n:]
	}
	return list
}

// mostSwaps is how often an act is tried again because another node changed the same at that moment.
const mostSwaps = 20

// together does an act on the kept lists: all that it changes is written at once, over all that it looked at, or nothing. When other
// nodes change one of these at the same moment it is done anew, over what they made of it.
func (a *Access) together(ctx context.Context, act func(t *turn) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range mostSwaps {
		t := &turn{store: a.store}
		if err := act(t); err != nil {
			return err
		}
		if !t.changed() {
			return nil
		}
		if ok, err := a.store.Swap(ctx, t.seen); ok || err != nil {
			return err
		}
	}
	return &waybill.Error{Kind: waybill.Unavailable, Message: "others change who may come in at this very moment; nothing was changed", Hint: "try again"}
}

// turn is one try of an act: what it looked at, and what it makes of it.
type turn struct {
	store Store
	seen  []Swap
}

// none is how a list stands that nobody has written yet.
const none = "[]"

// changed reports whether anything was: a stranger who guesses links costs no write.
func (t *turn) changed() bool {
	return slices.ContainsFunc(t.seen, func(s Swap) bool {
		return !bytes.Equal(s.Now, s.Was) && (s.Was != nil || string(s.Now) != none)
	})
}

// look reads a list for an act, once: from then on it is as the act has changed it.
func look[T any](ctx context.Context, t *turn, name string) (list []T, err error) {
	i := slices.IndexFunc(t.seen, func(s Swap) bool { return s.Name == name })
	if i < 0 {
		raw, err := setting(ctx, t.store, name)
		if err != nil {
			return nil, err
		}
		i = len(t.seen)
		t.seen = append(t.seen, Swap{name, raw, raw})
		if raw == nil {
			t.seen[i].Now = []byte(none) // so that of two who find none the second is told
		}
	}
	return list, json.Unmarshal(t.seen[i].Now, &list)
}

// change changes a list within an act.
func change[T any](ctx context.Context, t *turn, name string, with func([]T) []T) error {
	list, err := look[T](ctx, t, name)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(with(list))
	if err != nil {
		return err
	}
	t.seen[slices.IndexFunc(t.seen, func(s Swap) bool { return s.Name == name })].Now = raw
	return nil
}

func load[T any](ctx context.Context, store Store, name string) (list []T, err error) {
	raw, err := setting(ctx, store, name)
	if err != nil || raw == nil {
		return nil, err
	}
	return list, json.Unmarshal(raw, &list)
}

// setting is a kept value; nil when there is none.
func setting(ctx context.Context, store Store, name string) ([]byte, error) {
	raw, err := store.Setting(ctx, name)
	if err != nil && waybill.KindOf(err) != waybill.NotFound {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, nil
	}
	return raw, nil
}
