#!/bin/sh
# The object store, SeaweedFS, with the settings of settings.env and secrets.env in its environment. ready.py makes its
# bucket.
set -eu
: "${AWS_ACCESS_KEY_ID:?}" "${AWS_SECRET_ACCESS_KEY:?}"
umask 077
mkdir -p "$LAB_DATA/objects"
cat > "$LAB_DATA/objects/s3.json" << END
{"identities": [{"name": "mlflow", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
END
exec weed server -dir "$LAB_DATA/objects" -ip "$S3_HOST" -ip.bind "$S3_BIND" \
    -master.port "$S3_MASTER_PORT" -volume.port "$S3_VOLUME_PORT" -volume.max 100 -master.volumeSizeLimitMB 1024 \
    -filer -filer.port "$S3_FILER_PORT" -filer.localSocket "$LAB_DATA/objects/filer.sock" \
    -s3 -s3.port "$S3_PORT" -s3.config "$LAB_DATA/objects/s3.json" \
    -s3.port.iceberg 0 -s3.port.lance 0 -master.telemetry=false
