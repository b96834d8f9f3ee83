#!/usr/bin/env bash
# Installs what the local cluster needs from Debian or Ubuntu. The harness itself installs nothing: it names what is missing.
set -euo pipefail
packages=(
    containerd runc containernetworking-plugins iptables conntrack nftables iproute2 # the node
    openssl gcc libc6-dev                                                            # certificates, sandbox, fake driver
    buildah debootstrap                                                              # images without a registry
)
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
