# The server of examples/serve.ts on Deno. From the folder of the project:
#
#     docker build -f examples/docker/deno.Dockerfile -t filigree .
#     docker run --rm -p 8000:8000 --read-only --tmpfs /tmp -v filigree:/contexts filigree
#
# Arguments of the example come last: `docker run ... filigree --store /contexts --lm`.
FROM denoland/deno:alpine-2.9.6

RUN mkdir /contexts && chown deno:deno /contexts && mkdir /app && chown deno:deno /app
WORKDIR /app
USER deno

# The packages first: they change less often than the sources.
COPY --chown=deno:deno package.json deno.json ./
RUN deno install --prod
COPY --chown=deno:deno . .
RUN deno cache --node-modules-dir=manual examples/serve.ts

VOLUME /contexts
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s CMD wget -q -O /dev/null http://127.0.0.1:8000/health
ENTRYPOINT ["deno", "serve", "--node-modules-dir=manual", "--cached-only", "--no-prompt", "--host", "0.0.0.0", "--port", "8000", "--allow-net", "--allow-read=/app,/contexts", "--allow-write=/contexts", "examples/serve.ts"]
CMD ["--store", "/contexts"]
