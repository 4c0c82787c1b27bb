package show

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"

	"waybill"
)

//go:embed static/*.css static/*.js static/*.svg
var staticFiles embed.FS

// files are the scripts, styles and pictures, each under a name that carries its content's hash, so that browsers may
// keep it for ever, and compressed once.
type files struct {
	byName  map[string]kept   // app.1f2e3d4c.css
	current map[string]string // app.css -> /static/app.1f2e3d4c.css
}

type kept struct {
	kind  string
	plain []byte
	small []byte
}

func loadFiles() (*files, error) {
	f := &files{byName: map[string]kept{}, current: map[string]string{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		raw, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, err
		}
		var small bytes.Buffer
		z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
		if _, err := z.Write(raw); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(raw)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:4]) + ext
		f.byName[name] = kept{mime.TypeByExtension(ext), raw, small.Bytes()}
		f.current[e.Name()] = "/static/" + name
	}
	return f, nil
}

// address is where a file is.
func (f *files) address(name string) string { return f.current[name] }

func (f *files) serve(w http.ResponseWriter, r *http.Request) error {
	file, ok := f.byName[r.PathValue("file")]
	if !ok {
		return &waybill.Error{Kind: waybill.NotFound, Message: "there is no such file", Hint: "load the page again"}
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Vary", "Accept-Encoding")
	out := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		out = file.small
	}
	_, _ = w.Write(out) // when it fails the browser has gone
	return nil
}

// favicon answers browsers that ask at the old place.
func (f *files) favicon(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, f.address("mark.svg"), http.StatusFound)
	return nil
}
