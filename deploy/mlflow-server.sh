#!/bin/sh
# The MLflow server, with the settings of settings.env and secrets.env in its environment.
set -eu
: "${PGPASSWORD:?}" "${MLFLOW_FLASK_SERVER_SECRET_KEY:?}" "${AWS_ACCESS_KEY_ID:?}" "${AWS_SECRET_ACCESS_KEY:?}"
umask 077
export MLFLOW_AUTH_CONFIG_PATH="$LAB_DATA/basic_auth.ini"
cat > "$MLFLOW_AUTH_CONFIG_PATH" << END
[mlflow]
default_permission = $MLFLOW_DEFAULT_PERMISSION
database_uri = sqlite:///$LAB_DATA/basic_auth.db
admin_username = ${MLFLOW_AUTH_ADMIN_USERNAME:-admin}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = $MLFLOW_AUTH_CACHE_SECONDS
END
python "$(dirname "$0")/ready.py"
exec mlflow server \
    --backend-store-uri "postgresql://$POSTGRES_USER@$POSTGRES_HOST:$POSTGRES_PORT/$POSTGRES_DB" \
    --artifacts-destination "s3://$S3_BUCKET/artifacts" \
    --host "$MLFLOW_HOST" --port "$MLFLOW_PORT" --workers "$MLFLOW_WORKERS" \
    --app-name basic-auth --allowed-hosts "$SERVER_NAME,$SERVER_NAME:*,localhost,localhost:*,127.0.0.1:*" \
    --cors-allowed-origins "https://$SERVER_NAME,https://$SERVER_NAME:$HTTPS_PORT" \
    --uvicorn-opts "--timeout-worker-healthcheck $MLFLOW_WORKER_SECONDS"
