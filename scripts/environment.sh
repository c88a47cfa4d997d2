# Shared by the scripts beside it: virtual environments, with messages that say what to do when one cannot be made.

say() { printf '==> %s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# make_environment FOLDER MEGABYTES: a virtual environment in FOLDER, on a Python that is new enough.
make_environment() {
    local folder=$1 needed=$2 python=${PYTHON:-python3} free
    if "$folder/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "using the environment in $folder"
        return
    fi
    # Only what this script began is made anew; somebody else's folder is not ours to touch.
    if [ -e "$folder" ] && [ ! -e "$folder/.made-by-wildtext" ]; then
        fail "$folder exists, but has no pip or an old Python; remove it and run this again"
    fi
    command -v "$python" >/dev/null || fail "$python is not installed; install Python 3.11 or newer, or set PYTHON to it"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$python" --version) is too old; install Python 3.11 or newer, or set PYTHON to it"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module; install it (Debian and Ubuntu: apt install python3-venv)"
    free=$(df -Pm . | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$needed" ] || fail "$free MB are free on this disk; the environment needs about $needed MB"
    say "making the environment $folder with $("$python" --version)"
    mkdir -p "$folder" && touch "$folder/.made-by-wildtext"
    "$python" -m venv "$folder" || fail "the environment $folder could not be made; see the message above"
}

# install FOLDER ARGUMENTS...: pip install into the environment.
install() {
    local folder=$1
    shift
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        fail "pip could not install $*; see its message above (network, proxy, disk?)"
}
