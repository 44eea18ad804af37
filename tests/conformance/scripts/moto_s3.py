"""An S3 server (moto's) that checks signatures and permissions, and boto3 to write to it."""

import base64

import boto3
import requests
from moto.server import ThreadedMotoServer
from wire import serve

POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'  # for one user
)
REGION = "us-east-1"
running = {}


def start(bucket):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    iam = client("iam", endpoint, "setup", "setup")
    keys = {}
    for name in ("reader", "stranger"):
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = (key["AccessKeyId"], key["SecretAccessKey"])
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=POLICY)
    s3 = client("s3", endpoint, *keys["reader"])
    s3.create_bucket(Bucket=bucket)
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)  # from now on everything is checked
    running.update(server=server, s3=s3, bucket=bucket)
    return {"endpoint": endpoint, "keys": keys}


def client(kind, endpoint, access, secret):
    return boto3.client(
        kind, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=access, aws_secret_access_key=secret
    )


def put(key, body):
    running["s3"].put_object(Bucket=running["bucket"], Key=key, Body=base64.b64decode(body))


def put_in_parts(key, parts):
    """As large files are put; each part but the last must have 5 MiB."""
    s3, where = running["s3"], {"Bucket": running["bucket"], "Key": key}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=base64.b64decode(part))
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": done})


def delete(key):
    running["s3"].delete_object(Bucket=running["bucket"], Key=key)


serve(start=start, put=put, put_in_parts=put_in_parts, delete=delete)
