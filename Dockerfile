ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
ARG FUNCTIONS_IMAGE=mcr.microsoft.com/azure-functions/node:4-node24

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
# A private registry: `--secret id=npmrc,src=…`. Without the secret npm finds no such file and uses its defaults.
RUN --mount=type=secret,id=npmrc,target=/run/npmrc \
    NPM_CONFIG_USERCONFIG=/run/npmrc npm ci --no-audit --no-fund --ignore-scripts
COPY . .
RUN node scripts/build.ts

FROM ${FUNCTIONS_IMAGE}
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    FUNCTIONS_WORKER_RUNTIME=node \
    ASPNETCORE_URLS=http://+:8080 \
    HOME=/home
COPY --from=build --chown=1000:1000 /src/host.json /src/package.json /home/site/wwwroot/
COPY --from=build --chown=1000:1000 /src/dist /home/site/wwwroot/dist
# The host writes into its own folders when it starts.
RUN for folder in /home /azure-functions-host /FuncExtensionBundles; do \
      [ ! -d "$folder" ] || chown -R 1000:1000 "$folder"; \
    done
USER 1000:1000
EXPOSE 8080
