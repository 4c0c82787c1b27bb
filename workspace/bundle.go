package workspace

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"

	"waybill"
)

// publish packs every file the workspace is made of, and the built-in manifests it used, so that it can be compiled
// again from that alone. Scenarios are left out: they change nothing of what runs. The packing is plain and sorted, so
// the same files always give the same bytes.
func (l *loader) publish() {
	if l.faults.Bad() {
		return
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	write := func(name string, text []byte) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return err
	}
	var err error
	for _, name := range sortedKeys(l.files) {
		if l.used[name] && !strings.HasPrefix(name, "tests/") && err == nil {
			err = write("workspace/"+name, l.files[name])
		}
	}
	for _, name := range sortedKeys(l.built) {
		if err == nil {
			err = write("built/"+name, l.built[name])
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		l.fault("E364", at(settingsFile), "The workspace cannot be packed: "+err.Error()+".", "")
		return
	}
	sum := sha256.Sum256(out.Bytes())
	l.w.Content, l.w.Bundle = out.Bytes(), waybill.BundleID(hex.EncodeToString(sum[:]))
}

// FromBundle compiles what Content kept. Built-in connectors come from it too: the version it began with.
func FromBundle(content []byte, o Options) (*Workspace, error) {
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: "open a kept workspace", Err: err}
	}
	files, err := fs.Sub(z, "workspace")
	if err != nil {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: "open a kept workspace", Err: err}
	}
	if o.Built, err = fs.Sub(z, "built"); err != nil {
		return nil, &waybill.Error{Kind: waybill.Internal, Message: "open a kept workspace", Err: err}
	}
	w, faults := Load(files, o)
	if err := faults.Err(); err != nil {
		return nil, fmt.Errorf("compile a kept workspace: %w", err)
	}
	return w, nil
}
