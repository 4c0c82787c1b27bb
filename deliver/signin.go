package deliver

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/connector"
)

// failure is a call that ended before any of its bytes left: it is known not to have happened.
type failure struct {
	cause      waybill.Cause
	words, fix string
	who        string
	retryAfter time.Duration
	turn       bool // another node is getting a token: the call goes on when it has
}

// Turn is this node's right to renew a connection's token, which one node has at a time: a refresh token that rotates
// must not be used twice, for many systems then take it for stolen and end the whole sign-in.
type Turn struct {
	Last Renewal
	// Done gives the turn up, with what was got; nil when nothing was.
	Done func(*Renewal)
}

// Renewal is a token that was renewed, for all nodes.
type Renewal struct {
	Refresh string    `json:"refresh"` // the refresh token that stands now
	Token   string    `json:"token"`   // empty when none is known
	Until   time.Time `json:"until"`   // zero: until it is refused
}

// turnAgain is how long a call waits for the token that another node is getting, before it looks again.
const turnAgain = 500 * time.Millisecond

// credential is what proves who we are, as it is put into one request, and as it is shown: its place without its value.
type credential struct {
	header, value, shown string
	query                bool   // header is a parameter's name
	token                string // oauth2: the token, where it is held, and whose it is
	held                 *token
	owner                client
}

// signIn gives the credential of a connection, fetching a token where the system wants one. It is called for each
// exchange, so that credentials are always today's, and nothing it gives is frozen or kept.
func (c *Caller) signIn(ctx context.Context, t *Target) (credential, *failure) {
	s := t.Manifest.SignIn
	switch s.Kind {
	case "", "none":
		return credential{}, nil
	case "basic":
		user, userShown, fail := t.userOf(s.User)
		if fail != nil {
			return credential{}, fail
		}
		var pass string
		if s.Pass != "" {
			if pass, fail = t.secret(s.Pass); fail != nil {
				return credential{}, fail
			}
		}
		return credential{
			header: "Authorization", value: "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass)),
			shown: "Basic " + userShown + ":" + shownSecret(s.Pass),
		}, nil
	case "oauth2":
		return c.signInByToken(ctx, t)
	}
	value, fail := t.secret(s.Secret)
	if fail != nil {
		return credential{}, fail
	}
	cred := credential{header: "Authorization", value: "Bearer " + value, shown: "Bearer " + shownSecret(s.Secret)}
	if s.Kind == "header" || s.Kind == "query" {
		prefix := t.fill(s.Prefix)
		cred = credential{header: t.fill(s.Header), value: prefix + value, shown: prefix + shownSecret(s.Secret), query: s.Kind == "query"}
	}
	return cred, nil
}

func shownSecret(name string) string {
	if name == "" {
		return ""
	}
	return secretMark + name + "}"
}

// secret gives the clear value of a secret, without the white space people paste around one.
func (t *Target) secret(name string) (string, *failure) {
	value, ok := "", false
	if t.Secret != nil {
		value, ok = t.Secret(name)
	}
	value = strings.TrimSpace(value)
	if !ok || value == "" {
		return "", &failure{
			cause: waybill.SignInExpired, who: "builder",
			words: fmt.Sprintf("The connection %s has no secret %s.", t.Connection, name), fix: "Put it in.",
		}
	}
	if hasControl(value) {
		return "", &failure{
			cause: waybill.SignInExpired, who: "builder",
			words: fmt.Sprintf("The secret %s of %s holds a line break or a control character.", name, t.Connection),
			fix:   "Put it in again, on one line.",
		}
	}
	return value, nil
}

// userOf gives a value that is a setting or a secret, and how it is shown.
func (t *Target) userOf(name string) (value, shown string, fail *failure) {
	if value, ok := t.Settings[name]; ok && value != "" {
		return value, value, nil
	}
	value, fail = t.secret(name)
	return value, shownSecret(name), fail
}

// tokens are the OAuth 2 tokens of connections, in memory only. The zero value is ready.
type tokens struct {
	mu   sync.Mutex
	held map[string]*token
}

// token is what is held for one client of one connection. Its lock is held while one is fetched, so several calls that
// need a new one at once make one request for it.
type token struct {
	mu      sync.Mutex
	value   string
	until   time.Time // zero: until it is refused
	proven  bool      // it was accepted at least once
	refused string    // the last one that was given up
	params  bool      // the client's credentials go as parameters, not by Basic
	refresh string    // the newest refresh token, where they rotate
	given   string    // the refresh token of the secret that refresh came from
}

// drop gives a token up.
func (k *token) drop() {
	if k.value != "" {
		k.refused = k.value
	}
	k.value, k.proven = "", false
}

// client is who asks for a token.
type client struct{ id, secret, refresh, url string }

// clientOf reads the client's credentials. User names its id (a setting or a secret; default client_id), Pass its secret
// (default client_secret); with the grant refresh_token Secret names that token (default refresh_token).
func (t *Target) clientOf() (cl client, fail *failure) {
	s := t.Manifest.SignIn
	or := func(name, other string) string {
		if name == "" {
			return other
		}
		return name
	}
	if cl.id, _, fail = t.userOf(or(s.User, "client_id")); fail != nil {
		return cl, fail
	}
	secret := s.Pass
	if secret == "" && s.Grant != "refresh_token" {
		secret = s.Secret
	}
	if cl.secret, fail = t.secret(or(secret, "client_secret")); fail != nil {
		return cl, fail
	}
	if s.Grant == "refresh_token" {
		if cl.refresh, fail = t.secret(refreshSecret(t)); fail != nil {
			return cl, fail
		}
	}
	cl.url = t.fill(s.TokenURL)
	return cl, nil
}

func (c *Caller) held(t *Target, cl client) *token {
	sum := digest("client", t.Connection, t.Account, cl.id, cl.secret, cl.url)
	key := hex.EncodeToString(sum[:])
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if c.tokens.held == nil {
		c.tokens.held = map[string]*token{}
	}
	k := c.tokens.held[key]
	if k == nil {
		k = &token{}
		c.tokens.held[key] = k
	}
	return k
}

// signInByToken gives a token that is not about to end.
func (c *Caller) signInByToken(ctx context.Context, t *Target) (credential, *failure) {
	cl, fail := t.clientOf()
	if fail != nil {
		return credential{}, fail
	}
	k := c.held(t, cl)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.given != cl.refresh { // a person put in another one
		k.given, k.refresh, k.value = cl.refresh, cl.refresh, ""
	}
	if k.value == "" || !k.until.IsZero() && !c.Now().Before(k.until) {
		if fail := c.fetchToken(ctx, t, cl, k); fail != nil {
			return credential{}, fail
		}
	}
	s := t.Manifest.SignIn
	cred := credential{header: "Authorization", token: k.value, held: k, owner: cl}
	if s.Header != "" {
		cred.header = t.fill(s.Header)
	}
	prefix := "Bearer "
	if s.Prefix != "" {
		prefix = t.fill(s.Prefix)
	}
	cred.value, cred.shown = prefix+k.value, prefix+"${token}"
	return cred, nil
}

// accepted notes that a token works.
func (k *token) accepted(used string) {
	k.mu.Lock()
	k.proven = k.proven || k.value == used
	k.mu.Unlock()
}

// renew gets another token in place of one that was refused; false when the refused one was new, so that another would
// be refused as well, or when none can be had.
func (c *Caller) renew(ctx context.Context, t *Target, used credential) (bool, *failure) {
	k := used.held
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.value != used.token && k.value != "":
		return true, nil // another call renewed it meanwhile
	case !k.proven:
		k.drop()
		return false, nil
	}
	fail := c.fetchToken(ctx, t, used.owner, k)
	return fail == nil, fail
}

// maxToken bounds an answer to a request for a token.
const maxToken = 1 << 20

// fetchToken asks for a token: first with the client's credentials by Basic, as RFC 6749 demands every server to take
// them, then as parameters, as some do instead. What worked is remembered. Asking again is harmless.
func (c *Caller) fetchToken(ctx context.Context, t *Target, cl client, k *token) *failure {
	k.drop()
	if t.Manifest.SignIn.Grant == "refresh_token" && c.Turn != nil {
		turn, fail := c.turn(t, k)
		if turn == nil {
			return fail
		}
		if fail = c.ask(ctx, t, cl, k); fail != nil {
			turn.Done(nil)
			return fail
		}
		turn.Done(&Renewal{Refresh: k.refresh, Token: k.value, Until: k.until})
		return nil
	}
	return c.ask(ctx, t, cl, k)
}

// turn gets this node's turn to use a refresh token. It returns none when another node has it, and when another has got
// a token meanwhile, which is then taken over.
func (c *Caller) turn(t *Target, k *token) (*Turn, *failure) {
	turn, err := c.Turn(t.Connection, refreshSecret(t))
	switch {
	case err != nil:
		return nil, &failure{cause: waybill.OurSide, words: "Whether another node is signing in could not be read: " + err.Error(), turn: true, retryAfter: turnAgain}
	case turn == nil:
		return nil, &failure{
			cause: waybill.SignInExpired, words: "Another node is signing in to " + t.title() + "; this call goes on when it has.",
			turn: true, retryAfter: turnAgain,
		}
	}
	last := turn.Last
	k.refresh, k.given = last.Refresh, last.Refresh
	if last.Token != "" && last.Token != k.refused && (last.Until.IsZero() || c.Now().Before(last.Until)) {
		k.value, k.until = last.Token, last.Until
		turn.Done(nil)
		return nil, nil
	}
	if c.May != nil && !c.May(t.Epoch, tokenWithin) {
		turn.Done(nil)
		return nil, &failure{cause: waybill.OurSide, words: "This node's lease was about to end before it signed in.", turn: true, retryAfter: turnAgain}
	}
	return turn, nil
}

// refreshSecret is the name of the secret that holds the refresh token.
func refreshSecret(t *Target) string {
	if name := t.Manifest.SignIn.Secret; name != "" {
		return name
	}
	return "refresh_token"
}

// tokenWithin is the time limit of getting a token.
const tokenWithin = 30 * time.Second

// ask asks for a token in both ways.
func (c *Caller) ask(ctx context.Context, t *Target, cl client, k *token) *failure {
	ctx, cancel := context.WithTimeout(withCall(WithAllowed(ctx, t), t.Connection, ""), tokenWithin)
	defer cancel()
	var fail *failure
	for try := range 2 {
		answer, refused, err := c.askToken(ctx, t, cl, k)
		switch {
		case err != nil:
			return err
		case refused == nil:
			return c.take(t, k, answer)
		}
		if fail == nil {
			fail = refused
		}
		if try == 0 {
			k.params = !k.params
		}
	}
	k.params = !k.params
	return fail
}

// take keeps a token, and the refresh token that came with it in place of the old one.
func (c *Caller) take(t *Target, k *token, answer map[string]any) *failure {
	k.value = connector.AsText(answer["access_token"])
	k.until = time.Time{}
	if life := number(answer["expires_in"]); life > 0 {
		span := time.Duration(min(life, 1e9)) * time.Second
		k.until = c.Now().Add(span - min(time.Minute, span/10))
	}
	fresh := connector.AsText(answer["refresh_token"])
	if t.Manifest.SignIn.Grant != "refresh_token" || fresh == "" || fresh == k.refresh {
		return nil
	}
	k.refresh = fresh
	if c.Keep == nil {
		return nil
	}
	if err := c.Keep(t.Connection, refreshSecret(t), fresh); err != nil {
		k.value = ""
		return &failure{cause: waybill.OurSide, words: "The new refresh token could not be kept: " + err.Error()}
	}
	k.given = fresh
	return nil
}

func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case string:
		var n float64
		if _, err := fmt.Sscanf(v, "%g", &n); err == nil {
			return n
		}
	}
	return 0
}

// askToken makes one request for a token. refused says that their side answered no; fail that there was no answer.
func (c *Caller) askToken(ctx context.Context, t *Target, cl client, k *token) (answer map[string]any, refused, fail *failure) {
	s := t.Manifest.SignIn
	form := url.Values{"grant_type": {s.Grant}}
	if s.Grant == "refresh_token" {
		form.Set("refresh_token", k.refresh)
	}
	if len(s.Scopes) > 0 {
		form.Set("scope", strings.Join(s.Scopes, " "))
	}
	if k.params {
		form.Set("client_id", cl.id)
		form.Set("client_secret", cl.secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, cl.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, &failure{cause: waybill.MappingWrong, words: "The token's address is none: " + err.Error(), who: "builder"}
	}
	if err := checkURL(req.URL); err != nil {
		return nil, nil, &failure{cause: waybill.BlockedByRule, words: "The token's address: " + err.Error(), who: "builder"}
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", agent)
	if !k.params {
		req.SetBasicAuth(url.QueryEscape(cl.id), url.QueryEscape(cl.secret))
	}
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, nil, c.noToken(ctx, t, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
	if err != nil {
		return nil, nil, c.noToken(ctx, t, err)
	}
	value, _ := connector.DecodeJSON(body)
	answer, _ = value.(map[string]any)
	said := connector.AsText(answer["error"])
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		return nil, nil, &failure{
			cause: waybill.LimitReached, words: t.title() + " gives no more tokens for now.",
			retryAfter: retryAfter(resp.Header, c.Now()),
		}
	case status >= 500:
		return nil, nil, &failure{cause: waybill.TheirSideDown, words: fmt.Sprintf("%s gives no token: status %d.", t.title(), status)}
	case status/100 == 2 && said == "" && connector.AsText(answer["access_token"]) != "":
		return answer, nil, nil
	default:
		if said == "" {
			said = fmt.Sprintf("status %d", status)
		}
		return nil, &failure{
			cause: waybill.SignInExpired, words: string(c.redact([]byte(fmt.Sprintf("%s gives no token: %s.", t.title(), said)))),
			fix: "Sign in again.", who: "builder",
		}, nil
	}
}

// noToken says why the token's address gave no answer. Whatever became of that request, the call was not made.
func (c *Caller) noToken(ctx context.Context, t *Target, err error) *failure {
	f := c.noAnswer(ctx.Err(), t, err, "no token could be fetched")
	if f.cause == waybill.AnswerLost {
		f.cause = waybill.TheirSideDown
	}
	return f
}
