#!/usr/bin/env bash
# Reads every file of deploy/ with the linter that is made for it, and ends with 1 if any of them finds fault.
# The linters come from PyPI into a virtual environment of their own; systemd-analyze has to be on the machine. One that
# cannot be had is named at the end: nothing passes in silence.
#
#   deploy/lint.sh                                     # or: make lint-deploy
#   DATELINE=target/release/dateline deploy/lint.sh    # also holds the options in dateline.toml to those of the binary
set -euo pipefail
cd "$(dirname "$0")/.."

venv="${DEPLOY_LINT_VENV:-${CARGO_TARGET_DIR:-target}/deploy-lint}"
manifest=deploy/kubernetes/dateline.yaml
cluster=deploy/kubernetes/cluster.yaml
slurm=deploy/slurm/dateline-batch.sh
unit=deploy/systemd/dateline.service
# The least Kubernetes that the manifest is for, and the newest that this kubernetes-validate knows.
kubernetes_versions=(1.30 1.37)
# In tenths; 252 (Debian 12) says 1.1. Newer versions of systemd weigh a few more things.
exposure_limit=15

# What checkov finds and we accept:
#   CKV_K8S_21    the default namespace: the manifest names none, `kubectl apply -n` does.
#   CKV_K8S_35    secrets as variables: that is how object stores' own tools take credentials, and so does the cluster.
#   CKV_K8S_43    an image without a digest: it is the reader's own build, in the reader's registry.
#   CKV_DOCKER_2  no HEALTHCHECK: the image has nothing to ask with; orchestrators ask /health/ready.
accepted=CKV_K8S_21,CKV_K8S_35,CKV_K8S_43,CKV_DOCKER_2

failed=()
not_read=()
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

install_linters() {
    local requirement installed
    [[ -x "$venv/bin/python" ]] || python3 -m venv "$venv"
    installed="$("$venv/bin/python" -m pip freeze --disable-pip-version-check)"
    while read -r requirement; do
        grep -qxF -- "$requirement" <<<"$installed" && continue
        echo "installing $requirement"
        # One at a time: a linter without a build for this machine shall not keep the others away.
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$requirement" || true
    done <deploy/lint-requirements.txt
}

# check NAME PROGRAM ARGUMENT...: runs a linter of the virtual environment, or notes that it is not there.
check() {
    local name="$1" program="$venv/bin/$2"
    shift 2
    if [[ ! -x "$program" ]]; then
        not_read+=("$name (no $(basename "$program") from PyPI on this machine)")
        return
    fi
    echo "== $name"
    "$program" "$@" || failed+=("$name")
}

# verdict NAME MESSAGES: the finding of one of our own checks; no messages is no finding.
verdict() {
    echo "== $1"
    if [[ -n "$2" ]]; then
        printf '%s\n' "$2"
        failed+=("$1")
    fi
}

lint_unit() {
    local said version
    version="$(systemd-analyze --version 2>/dev/null | awk 'NR == 1 { print $2 }')" || true
    if [[ ! "$version" =~ ^[0-9]+ ]] || ((BASH_REMATCH[0] < 250)); then
        not_read+=("deploy/systemd (needs systemd-analyze of systemd 250 or newer; found: ${version:-none})")
        return
    fi
    # `verify` wants the program to be there. Where Dateline is not installed, a stand-in takes its place.
    cp "$unit" "$scratch/dateline.service"
    if [[ ! -x /usr/local/bin/dateline ]]; then
        sed -i "s|^ExecStart=/usr/local/bin/dateline|ExecStart=$(command -v true)|" "$scratch/dateline.service"
    fi
    # It also speaks of other units, and ends with 0 after mere warnings: what counts is what it says of ours.
    said="$(systemd-analyze verify --man=no "$scratch/dateline.service" 2>&1 | grep -F dateline)" || true
    verdict "systemd-analyze verify (systemd $version)" "$said"

    echo "== systemd-analyze security, up to $((exposure_limit / 10)).$((exposure_limit % 10))"
    said="$(systemd-analyze security --offline=true --no-pager --threshold="$exposure_limit" "$unit" 2>&1)" \
        || failed+=("systemd-analyze security")
    tail -n 1 <<<"$said"

    if command -v systemd-sysusers >/dev/null; then
        echo "== systemd-sysusers"
        systemd-sysusers --dry-run "$PWD/deploy/systemd/dateline.sysusers" >"$scratch/sysusers" 2>&1 \
            || { cat "$scratch/sysusers"; failed+=("systemd-sysusers"); }
    else
        not_read+=("deploy/systemd/dateline.sysusers (no systemd-sysusers)")
    fi
}

# The ConfigMap holds a dateline.toml of its own.
lint_config_map() {
    if [[ -x "$venv/bin/taplo" ]] && "$venv/bin/python" -c 'import yaml' 2>/dev/null; then
        "$venv/bin/python" - "$manifest" >"$scratch/dateline.toml" <<'PYTHON'
import sys, yaml
with open(sys.argv[1]) as manifest:
    maps = [part for part in yaml.safe_load_all(manifest) if part["kind"] == "ConfigMap"]
print(maps[0]["data"]["dateline.toml"], end="")
PYTHON
        check "taplo, the ConfigMap's TOML" taplo lint --no-schema "$scratch/dateline.toml"
    else
        not_read+=("the ConfigMap's TOML (no taplo or PyYAML from PyPI on this machine)")
    fi
}

# Every folder that the container's build reads has to be copied in. No linter knows which those are.
container_context() {
    local copied wanted
    copied="$(awk '$1 == "COPY" && $2 !~ /^--/ { for (i = 2; i < NF; i++) print $i }' deploy/Dockerfile)"
    while read -r wanted; do
        [[ -e "$wanted" ]] || echo "deploy/Dockerfile copies $wanted, which is not there"
    done <<<"$copied"
    {
        # Files that sources put into the binary, and members of the workspace.
        grep -rhoE 'include_(str|bytes)!\("(\.\./)+[^"]+' crates/*/src | sed -E 's/.*"(\.\.\/)+//; s|/.*||' \
            | while read -r wanted; do if [[ -d "$wanted" ]]; then echo "$wanted"; fi; done
        sed -nE 's/^members = \[(.*)\]/\1/p' Cargo.toml | tr -d '" ' | tr ',' '\n' | sed 's|/.*||'
    } | sort -u | while read -r wanted; do
        grep -qx -- "$wanted" <<<"$copied" || echo "the build reads $wanted/, which deploy/Dockerfile does not copy"
        if grep -qxE -- "/?$wanted/?" .dockerignore; then echo ".dockerignore keeps $wanted/ from the build"; fi
    done
}

# Numbers that stand in two files each.
agreement() {
    local compiler version
    compiler="$(sed -nE 's/^channel = "(.*)"/\1/p' rust-toolchain.toml)"
    version="$(sed -nE '/^\[workspace\.package\]/,/^\[/ s/^version = "(.*)"/\1/p' Cargo.toml)"
    grep -q "^FROM rust:$compiler-" deploy/Dockerfile || echo "deploy/Dockerfile does not build with Rust $compiler"
    grep -q "image: .*/dateline:$version\$" "$manifest" || echo "$manifest does not run dateline:$version"
    if grep "image: " "$cluster" | grep -qv "/dateline-cluster:$version\$"; then
        echo "$cluster does not run dateline-cluster:$version"
    fi
}

# The lines for sbatch: shells skip them, and so does shellcheck. sbatch itself reads them only up to the first command.
slurm_lines() {
    local known=" job-name array nodes ntasks gpus-per-task gpus cpus-per-task mem time requeue output error signal
        partition account constraint exclusive qos mail-type mail-user chdir export "
    awk '/^#SBATCH/ && begun { print FILENAME ": sbatch does not read line " FNR ", after the first command" }
        !/^(#|$)/ { begun = 1 }' "$slurm"
    sed -nE 's/^#SBATCH +//p' "$slurm" | while read -r option; do
        [[ "$option" =~ ^--([a-z-]+)(=[^ ]+)?$ && $known == *[[:space:]]"${BASH_REMATCH[1]}"[[:space:]]* ]] \
            || echo "$slurm: sbatch has no option $option"
    done
}

options() {
    local known key
    known="$("$DATELINE" serve --help)" || { echo "$DATELINE serve --help failed"; return; }
    sed -nE 's/^(# )?([a-z-]+) = .*/\2/p' deploy/dateline.toml "$scratch"/*.toml | sort -u | while read -r key; do
        grep -qE -- "--$key([[ ]|\$)" <<<"$known" || echo "$DATELINE serve has no --$key"
    done
}

install_linters
check "shellcheck" shellcheck deploy/lint.sh "$slurm"
check "hadolint" hadolint --failure-threshold style deploy/Dockerfile
check "yamllint" yamllint --strict -d '{extends: default, rules: {line-length: {max: 120}}}' deploy/kubernetes
for version in "${kubernetes_versions[@]}"; do
    check "kubernetes-validate $version" kubernetes-validate --strict --quiet -k "$version" "$manifest" "$cluster"
done
check "checkov" checkov --skip-download --quiet --compact --skip-check "$accepted" -f deploy/Dockerfile -f "$manifest" -f "$cluster"
check "taplo lint" taplo lint --no-schema deploy/dateline.toml
check "taplo fmt" taplo fmt --check deploy/dateline.toml
lint_config_map
lint_unit
verdict "what the container's build reads" "$(container_context)"
verdict "versions in two places" "$(agreement)"
verdict "sbatch's lines in $slurm" "$(slurm_lines)"
if [[ -n "${DATELINE:-}" ]]; then
    verdict "options in dateline.toml" "$(options)"
else
    not_read+=("whether the options in dateline.toml exist (set DATELINE to a dateline binary)")
fi

echo
for what in "${not_read[@]}"; do echo "NOT CHECKED: $what"; done
if ((${#failed[@]} > 0)); then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "deploy/: no findings in what was checked"
