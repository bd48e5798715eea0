#!/bin/sh
# After the package is unpacked. Nothing is started: the first `enable` is the operator's.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if systemctl is-active --quiet ai-gateway.service; then
		systemctl try-restart ai-gateway.service || true
	fi
fi
cat <<'TEXT'
ai-gateway is installed. Start it, now and at each boot, on 127.0.0.1:8080:
    systemctl enable --now ai-gateway.socket ai-gateway.service
Then, as root:
    ai-gateway api-key create my-app
TEXT
