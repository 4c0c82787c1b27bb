# Sourced by the other scripts: puts pinned tools into .tools/bin, built from the Go module proxy.
tools_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.tools/bin"
export PATH="$tools_dir:$PATH"
tool() { # name module@version
	if [ ! -x "$tools_dir/$1" ]; then
		echo "tools: building $1 ($2)"
		GOBIN="$tools_dir" GOFLAGS= ${GO:-go} install "$2" || return 1
	fi
}
