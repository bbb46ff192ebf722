# Sourced by the scripts beside it: makes a private environment for them.

fail() {
    echo "$0: $*" >&2
    exit 1
}

# make_venv FOLDER EXTRAS: an environment with ranklog installed editable; quick if it is there and up to date.
make_venv() {
    local venv=$1 extras=$2 stamp
    stamp=$(cat pyproject.toml hatch_build.py proto/ranklog_proto/v1/*.proto | sha256sum)
    if [ "$(cat "$venv/ranklog.stamp" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    if ! python3 -m venv "$venv" 2>/dev/null; then
        [ "$(id -u)" = 0 ] || fail "python3 cannot make environments: apt-get install python3-venv"
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null || fail "could not install python3-venv"
        python3 -m venv "$venv" || fail "python3 -m venv $venv failed"
    fi
    echo "Installing ranklog into $venv …" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]" || fail "installation failed"
    echo "$stamp" > "$venv/ranklog.stamp"
}
