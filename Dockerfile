# syntax=docker/dockerfile:1
# The image of docker-compose.yml, built from source. Behind a mirror:
#   docker build --build-arg GOPROXY=https://goproxy.cn,direct .
FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
ARG GOPROXY=https://proxy.golang.org,direct
ARG TARGETOS TARGETARCH
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
    -ldflags "-s -w -X github.com/your-org/ai-api-gateway/cmd.versionOverride=$VERSION" \
    -o /out/ai-gateway ./cmd/ai-gateway
RUN mkdir -p /out/data

FROM alpine:3.22
RUN apk add --no-cache ca-certificates tzdata && ln -s /usr/bin/ai-gateway /gateway && ln -s /usr/bin/ai-gateway /ai-gateway
COPY --from=build /out/ai-gateway /usr/bin/ai-gateway
COPY --from=build --chown=65532:65532 /out/data /data
LABEL org.opencontainers.image.title="ai-gateway" \
      org.opencontainers.image.description="One endpoint for every AI provider, with keys, budgets and an exact ledger" \
      org.opencontainers.image.source="https://github.com/your-org/ai-api-gateway" \
      org.opencontainers.image.licenses="MIT"
ENV AI_GATEWAY_LISTEN=:8080 AI_GATEWAY_DATA_DIR=/data HOME=/data
USER 65532:65532
# config/gateway.yaml is looked for below this folder: mount ./config to /config.
WORKDIR /
VOLUME /data
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["/usr/bin/ai-gateway", "health"]
ENTRYPOINT ["/usr/bin/ai-gateway"]
CMD ["serve"]
