package workspace

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"sync"

	"waybill/connector"
	"waybill/source"
)

// Manifests keeps compiled manifests from one load to the next: nearly all of what a load takes is compiling them, and
// they seldom change. What it gives is shared and never changed. Its zero value is ready, and may be used by several at a
// time.
type Manifests struct {
	mu   sync.Mutex
	kept map[[sha256.Size]byte]*compiled
	uses uint64 // so far
}

// mostKept bounds what is kept: more than a workspace has connectors, so that one and its next version fit. What has not
// been used for longest gives way.
const mostKept = 64

type compiled struct {
	manifest *connector.Manifest
	warnings source.Faults
	used     uint64 // which use was its last
}

// get returns the manifest of a connector as compile makes it, from what is kept if its files and the language of its
// expressions are the same. One with errors is not kept, and nothing by a nil receiver.
func (k *Manifests) get(fsys fs.FS, name string, own bool, language string,
	compile func() (*connector.Manifest, source.Faults),
) (*connector.Manifest, source.Faults) {
	if k == nil {
		return compile()
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %t %q", name, own, language) // a hash takes everything
	for _, file := range manifestFiles {
		text, err := fs.ReadFile(fsys, name+"/"+file)
		_, _ = fmt.Fprintf(h, " %t %q", err == nil, text)
	}
	key := [sha256.Size]byte(h.Sum(nil))
	k.mu.Lock()
	found := k.kept[key]
	if found != nil {
		k.uses++
		found.used = k.uses
	}
	k.mu.Unlock()
	if found != nil {
		return found.manifest, found.warnings
	}
	m, faults := compile()
	if m == nil || faults.Bad() {
		return m, faults
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = map[[sha256.Size]byte]*compiled{}
	}
	k.uses++
	k.kept[key] = &compiled{m, faults, k.uses}
	for len(k.kept) > mostKept {
		oldest := key
		for other, c := range k.kept {
			if c.used < k.kept[oldest].used {
				oldest = other
			}
		}
		delete(k.kept, oldest)
	}
	return m, faults
}
