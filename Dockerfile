# One image holds both services. The command of a container names the process, for example
# `inventory serve` or `payments consume`. With --build-arg PACKAGES=items it holds that example
# instead.
ARG RUST_VERSION=1.95
ARG DEBIAN_RELEASE=bookworm
# The packages whose programs the image holds, with spaces in between.
ARG PACKAGES="inventory payments"

FROM rust:${RUST_VERSION}-slim-${DEBIAN_RELEASE} AS build
# Debian packages that the build needs beside a compiler for C, with spaces in between.
ARG DEBIAN_PACKAGES=""
RUN test -z "$DEBIAN_PACKAGES" \
    || { apt-get update && apt-get install -y --no-install-recommends $DEBIAN_PACKAGES; }
WORKDIR /src
COPY . .
# The repository is not in the build context, so the commit is an argument:
# --build-arg SOURCE_COMMIT=$(git rev-parse HEAD)
ARG SOURCE_COMMIT=unknown
ARG PACKAGES
# The caches survive between builds, so after an edit only the crates of this workspace are compiled
# again. Cargo finds changed sources by their times. A checkout may be older than the cache, and
# cargo would then keep the old build. So this step gives every source the present time.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=pas-de-deux-target,target=/src/target,sharing=locked \
    find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked $(printf -- '-p %s ' $PACKAGES) \
    && for package in $PACKAGES; do install -D -t /out "target/release/$package" || exit 1; done

FROM debian:${DEBIAN_RELEASE}-slim
ARG PACKAGES
LABEL org.opencontainers.image.title="Pas de Deux: ${PACKAGES}" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/ /usr/local/bin/
# A number, because an orchestrator cannot see whether a name is root.
USER 10001:10001
STOPSIGNAL SIGTERM
# Without a command, a container says which commands its programs have.
CMD ["sh", "-c", "for program in /usr/local/bin/*; do \"$program\" --help; done"]
