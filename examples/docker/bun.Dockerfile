# The server of examples/serve.ts on Bun. From the folder of the project:
#
#     docker build -f examples/docker/bun.Dockerfile -t filigree .
#     docker run --rm -p 8000:8000 --read-only --tmpfs /tmp -v filigree:/contexts filigree
#
# Arguments of the example come last: `docker run ... filigree --store /contexts --lm`.
FROM oven/bun:1.4.5-alpine

RUN mkdir /contexts && chown bun:bun /contexts && mkdir /app && chown bun:bun /app
WORKDIR /app
USER bun

# The packages first: they change less often than the sources. The optional one is for GPUs, which a container lacks.
COPY --chown=bun:bun package.json ./
RUN bun install --production --omit=optional
COPY --chown=bun:bun . .

VOLUME /contexts
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s CMD wget -q -O /dev/null http://127.0.0.1:8000/health
ENTRYPOINT ["bun", "--port", "8000", "examples/serve.ts"]
CMD ["--store", "/contexts"]
