package connectors_test

import (
	"bytes"
	"os"
	"strings"
)

// archive is a txtar file: a comment, then files that each begin with a line "-- name --".
type archive struct {
	comment string
	files   []member
}

type member struct {
	name string
	data []byte
}

func readArchive(file string) (*archive, error) {
	text, err := os.ReadFile(file) // a case of ours
	if err != nil {
		return nil, err
	}
	a := &archive{}
	for line := range strings.Lines(string(text)) {
		name, opens := strings.CutPrefix(strings.TrimRight(line, "\n"), "-- ")
		name, closes := strings.CutSuffix(name, " --")
		switch {
		case opens && closes:
			a.files = append(a.files, member{name: name})
		case len(a.files) == 0:
			a.comment += line
		default:
			last := &a.files[len(a.files)-1]
			last.data = append(last.data, line...)
		}
	}
	return a, nil
}

func (a *archive) format() []byte {
	var out bytes.Buffer
	out.WriteString(a.comment)
	for _, f := range a.files {
		out.WriteString("-- " + f.name + " --\n")
		out.Write(f.data)
		if len(f.data) > 0 && f.data[len(f.data)-1] != '\n' {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}
