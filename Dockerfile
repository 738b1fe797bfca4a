# postern in a container: the sources as they are, the packages they need, an unprivileged user.
#
#   docker build -t postern .
#   docker run -v ./postern.yaml:/etc/postern/postern.yaml:ro -p 2525:2525 postern

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# The optional package is a Node.js of its own; the image has one.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bin/postern bin/start.sh bin/
COPY src src

# The image's user "node", by number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 1000:1000

# The alternative ports for SMTP, SMTPS, submission and IMAPS, and the admin address. The last is on loopback, inside the
# container, until `admin.listen` says otherwise.
EXPOSE 2525 4465 5587 10993 9025

# Alive, not ready: /readyz says no while a pool is down or the gateway drains, and a restart would only cut the sessions
# that are left. Where `admin.listen` has another port, give another --health-cmd.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9025/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# The launcher becomes the gateway, so that the gateway is process 1 and SIGTERM drains it: allow more than `drain` for it
# (docker stop --time, terminationGracePeriodSeconds).
ENTRYPOINT ["/app/bin/postern"]
CMD ["serve", "-c", "/etc/postern/postern.yaml"]
