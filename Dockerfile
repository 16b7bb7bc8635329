# The newest LTS of Node. It is linked with libatomic, which not every base that goes by this name has.
FROM node:26-slim AS base
RUN ldconfig -p | grep -q libatomic.so.1 || { \
      apt-get update && apt-get install -y --no-install-recommends libatomic1 && rm -rf /var/lib/apt/lists/*; \
    }
WORKDIR /app

FROM base AS dependencies
COPY package.json package-lock.json ./
# No scripts: what has native code brings it built, and `prepare` would want the compiler.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM base AS build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# The image holds what the npm package holds, nothing more.
RUN npm run build && npm pack --ignore-scripts --silent && tar xzf interchat-*.tgz

FROM base
LABEL org.opencontainers.image.title="InterChat" \
      org.opencontainers.image.description="A message router that anything that speaks HTTP can reach" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    INTERCHAT_HOST=0.0.0.0 \
    INTERCHAT_DATA=/data
# What changes least comes first: a change to the source leaves the dependencies' layer alone.
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/package ./
# So that `docker exec CONTAINER interchat …` is the command.
RUN mkdir /data && chown node:node /data && chmod +x dist/cli/main.js && ln -s /app/dist/cli/main.js /usr/local/bin/interchat
USER node
VOLUME /data
EXPOSE 8080
# The slim image has no curl. A port that is given as a flag escapes this check: set INTERCHAT_PORT.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "require('node:http').get({ host: '127.0.0.1', port: process.env.INTERCHAT_PORT || 8080, path: '/readyz' }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# In the exec form Node is process 1 and gets SIGTERM itself.
# V8's heap is 45 % of the container's memory: by itself Node takes 262 MB in a container of 256 MB, whose kernel kills it before
# V8 collects. The rest is for buffers (two eighths), the program and the store: see docs/operations.md.
ENTRYPOINT ["node", "--max-old-space-size-percentage=45", "/app/dist/cli/main.js"]
CMD ["serve"]
