"""Keys, certificates and kubeconfigs of a cluster, kept between starts."""

import base64
import json
import shutil
from pathlib import Path

from harness.command import run
from harness.settings import Settings

DAYS = "365"
RENEW_BEFORE_SECONDS = "86400"

USERS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
}
"""Who gets a kubeconfig; the subject is the Kubernetes user and, as O, its groups. The kubelet's is added."""


class Pki:
    """One authority and all that it signed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.pki

    def ensure(self) -> None:
        """Make everything unless it is there for just these settings and good for another day."""
        stamp = self._folder / "settings.json"
        wanted = json.dumps(
            [self._settings.node, self._settings.node_ip, self._settings.service_ip, self._settings.api_port]
        )
        if stamp.exists() and stamp.read_text() == wanted and self._good():
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, mode=0o700)
        self._make()
        stamp.write_text(wanted)

    def file(self, name: str) -> str:
        """Return the path of a key or certificate."""
        return str(self._folder / name)

    def kubeconfig(self, user: str) -> Path:
        """Return the path of a user's kubeconfig."""
        return self._folder / f"{user}.kubeconfig"

    def _good(self) -> bool:
        check = ["openssl", "x509", "-checkend", RENEW_BEFORE_SECONDS, "-noout", "-in", self.file("ca.crt")]
        return "will not expire" in run(check, check=False)

    def _make(self) -> None:
        settings = self._settings
        self._key("ca")
        self._openssl(
            "req",
            "-x509",
            "-new",
            "-key",
            "ca.key",
            "-subj",
            "/CN=wattline-e2e",
            "-days",
            DAYS,
            "-out",
            "ca.crt",
        )
        self._key("service-accounts")
        self._sign(
            "apiserver",
            "/CN=kube-apiserver",
            f"IP:127.0.0.1,IP:{settings.node_ip},IP:{settings.service_ip},DNS:localhost,DNS:kubernetes,"
            "DNS:kubernetes.default,DNS:kubernetes.default.svc",
        )
        self._sign("apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet")
        self._sign("front-proxy", "/CN=front-proxy")  # the API server's when it calls an aggregated API
        for user, subject in USERS.items():
            self._sign(user, subject)
        self._sign(
            "kubelet",
            f"/O=system:nodes/CN=system:node:{settings.node}",
            f"IP:127.0.0.1,IP:{settings.node_ip},DNS:{settings.node}",
        )
        for user in (*USERS, "kubelet"):
            self._write_kubeconfig(user)

    def _openssl(self, *arguments: str) -> None:
        run(["openssl", *arguments], cwd=self._folder)

    def _key(self, name: str) -> None:
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        (self._folder / f"{name}.key").chmod(0o600)

    def _sign(self, name: str, subject: str, names: str = "") -> None:
        self._key(name)
        self._openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(
            "extendedKeyUsage=serverAuth,clientAuth\n" + (f"subjectAltName={names}\n" if names else "")
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", DAYS, "-extfile", extensions.name, "-out", f"{name}.crt"),
        )

    def _write_kubeconfig(self, user: str) -> None:
        """Data instead of paths, so that every client library reads it wherever it is."""

        def data(name: str) -> str:
            return base64.b64encode((self._folder / name).read_bytes()).decode()

        name = "wattline-e2e"
        server = f"https://{self._settings.node_ip}:{self._settings.api_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": data(f"{user}.crt"),
                        "client-key-data": data(f"{user}.key"),
                    },
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "current-context": name,
        }
        path = self.kubeconfig(user)
        path.write_text(json.dumps(config, indent=2))
        path.chmod(0o600)
