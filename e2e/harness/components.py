"""The programs of a cluster: what each is called with, and the files it reads. Why each setting is there stands beside it."""

import json
from pathlib import Path
from typing import Any

from harness.pki import Pki
from harness.settings import PLUGIN_DIR, Settings


class Components:
    """Command lines and configuration of one cluster's programs."""

    def __init__(self, settings: Settings, pki: Pki) -> None:
        self._settings, self._pki = settings, pki

    def program(self, name: str) -> Path:
        """Return the path of a program; most are links to the one binary, which acts as it is called."""
        return self._settings.root / "bin" / name

    def configure(self) -> None:
        """Write the files that the programs read."""
        settings = self._settings
        for name, content in (
            ("kubelet.json", self._kubelet()),
            ("kube-proxy.json", self._kube_proxy()),
            ("cni/10-bridge.conflist", self._cni()),
        ):
            path = settings.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=2))
        (settings.root / "Corefile").write_text(self._corefile())

    def etcd(self) -> list[str | Path]:
        """A throw-away etcd of one member."""
        return [
            self.program("etcd"),
            self._settings.root / "etcd",
            f"http://127.0.0.1:{self._settings.etcd_port}",
        ]

    def apiserver(self) -> list[str | Path]:
        """The API server, on the bridge's address alone."""
        settings, file = self._settings, self._pki.file
        return [
            self.program("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{settings.etcd_port}",
            f"--bind-address={settings.node_ip}",
            f"--advertise-address={settings.node_ip}",
            f"--secure-port={settings.api_port}",
            f"--tls-cert-file={file('apiserver.crt')}",
            f"--tls-private-key-file={file('apiserver.key')}",
            f"--client-ca-file={file('ca.crt')}",
            f"--service-account-key-file={file('service-accounts.key')}",
            f"--service-account-signing-key-file={file('service-accounts.key')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={settings.service_cidr}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--kubelet-client-certificate={file('apiserver-kubelet.crt')}",
            f"--kubelet-client-key={file('apiserver-kubelet.key')}",
            f"--kubelet-certificate-authority={file('ca.crt')}",
            "--kubelet-preferred-address-types=InternalIP",  # else logs and exec resolve the node's name
            f"--requestheader-client-ca-file={file('ca.crt')}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={file('front-proxy.crt')}",
            f"--proxy-client-key-file={file('front-proxy.key')}",
            "--max-requests-inflight=2000",
            "--max-mutating-requests-inflight=1000",
        ]

    def controller_manager(self) -> list[str | Path]:
        """The controllers of Kubernetes itself."""
        settings, file = self._settings, self._pki.file
        return [
            self.program("kube-controller-manager"),
            *self._as("controller-manager"),
            f"--service-account-private-key-file={file('service-accounts.key')}",
            f"--root-ca-file={file('ca.crt')}",
            "--use-service-account-credentials",
            f"--cluster-signing-cert-file={file('ca.crt')}",
            f"--cluster-signing-key-file={file('ca.key')}",
            "--allocate-node-cidrs=false",
            f"--flex-volume-plugin-dir={settings.root}/volume-plugins",  # else it makes /usr/libexec/kubernetes
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--horizontal-pod-autoscaler-sync-period=2s",  # else 15 s, for which a test would wait
            f"--secure-port={settings.controller_manager_port}",
        ]

    def scheduler(self) -> list[str | Path]:
        """The scheduler."""
        return [
            self.program("kube-scheduler"),
            *self._as("scheduler"),
            "--leader-elect=false",
            f"--secure-port={self._settings.scheduler_port}",
        ]

    def kubelet(self) -> list[str | Path]:
        """The node."""
        settings = self._settings
        return [
            self.program("kubelet"),
            f"--config={settings.root}/kubelet.json",
            f"--kubeconfig={self._pki.kubeconfig('kubelet')}",
            f"--root-dir={settings.root}/kubelet",
            f"--hostname-override={settings.node}",
            f"--node-ip={settings.node_ip}",
        ]

    def kube_proxy(self) -> list[str | Path]:
        """Addresses of Services."""
        return [self.program("kube-proxy"), f"--config={self._settings.root}/kube-proxy.json"]

    def coredns(self) -> list[str | Path]:
        """Names of Services; on the host, at the bridge's address."""
        return [self.program("coredns"), "-conf", self._settings.root / "Corefile"]

    def fakegpu(self, uuids: tuple[str, ...]) -> list[str | Path]:
        """The device plugin: GPUs of these names, seen by pods through the fake driver."""
        state = self._settings.fake_state
        return [
            self.program("fakegpu"),
            f"-dir={PLUGIN_DIR}",
            f"-ids={','.join(uuids)}",
            f"-mount={state}:{state}",
            f"-env=LD_LIBRARY_PATH={state}/lib",
            f"-env=WATTLINE_FAKE_NVML={state}/fake/{self._settings.node}.gpus",
        ]

    def _as(self, name: str) -> list[str]:
        """Who a controller is, and who it asks whether its own callers may call."""
        config = self._pki.kubeconfig(name)
        flags = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return [f"--{flag}={config}" for flag in flags]

    def _kubelet(self) -> dict[str, Any]:
        settings, file = self._settings, self._pki.file
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": settings.node_ip,
            "port": settings.kubelet_port,
            "readOnlyPort": 0,
            "healthzPort": settings.kubelet_health_port,
            "containerRuntimeEndpoint": f"unix://{settings.socket}",
            "podLogsDir": str(settings.logs / "pods"),  # else /var/log/pods
            "volumePluginDir": f"{settings.root}/volume-plugins",  # else /usr/libexec/kubernetes
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": file("ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": file("kubelet.crt"),
            "tlsPrivateKeyFile": file("kubelet.key"),
            "failCgroupV1": False,  # refused by default since Kubernetes 1.35
            "cgroupDriver": "cgroupfs",  # no systemd; containerd 1.6 cannot tell the kubelet its driver
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "localStorageCapacityIsolation": False,  # cAdvisor may not know the file system of the disk
            "makeIPTablesUtilChains": False,  # kube-proxy writes the chains that are needed
            "clusterDomain": "cluster.local",
            "clusterDNS": [settings.node_ip],
            "resolvConf": "/etc/resolv.conf",
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,  # an image that is collected cannot be pulled again
            "imageGCLowThresholdPercent": 99,
            "serializeImagePulls": False,
            "maxPods": 200,
            "nodeStatusUpdateFrequency": "5s",
            "syncFrequency": "10s",
            "registerNode": True,
        }

    def _kube_proxy(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self._pki.kubeconfig("kube-proxy"))},
            "mode": "iptables",
            "clusterCIDR": settings.pod_cidr,
            "hostnameOverride": settings.node,
            "metricsBindAddress": f"127.0.0.1:{settings.proxy_metrics_port}",
            "healthzBindAddress": f"127.0.0.1:{settings.proxy_health_port}",
            # zeroes leave the host's settings alone
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        }

    def _cni(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "cniVersion": "1.0.0",
            "name": "wattline-e2e",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": settings.bridge,
                    "isGateway": True,
                    "ipMasq": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": settings.pod_cidr}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                        "dataDir": f"{settings.root}/cni-data",
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }

    def _corefile(self) -> str:
        settings = self._settings
        return f"""\
. {{
    bind {settings.node_ip}
    errors
    health 127.0.0.1:{settings.dns_health_port}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {settings.kubeconfig}
    }}
    forward . /etc/resolv.conf
    cache 5
}}
"""
