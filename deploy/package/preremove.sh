#!/bin/sh
# Before the package goes. An upgrade (deb: "upgrade", rpm: 1) leaves the gateway running.
set -e
case "${1:-}" in upgrade | 1) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now ai-gateway.socket ai-gateway.service || true
fi
