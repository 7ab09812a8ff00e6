"""A whole OpenStack Swift with its S3 API in one process: proxy, account, container and object server over one folder.

    serve.py FOLDER PORT ACCESS_KEY SECRET_KEY

Listens on 127.0.0.1 and prints one line, `ready PORT`, when it does; port 0 takes a free one. Ends with its standard
input. What is stored lies in FOLDER and outlives the process. ACCESS_KEY is `account:user`. A listing has pages of 20
names, so that few names make many.
"""
import os
import pathlib
import sys
import time
from array import array

import eventlet
import eventlet.wsgi
from eventlet.green import os as patient_os
from swift.common import utils

utils.eventlet_monkey_patch()
# Without these, Swift asks for /etc/swift/swift.conf.
utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b"", b"oriel"

from swift.account.server import AccountController
from swift.common.ring import RingData
from swift.common.wsgi import ConfigString, SwiftHttpProtocol, loadapp
from swift.container.server import ContainerController
from swift.obj.server import ObjectController

PIPELINE = """
[DEFAULT]
swift_dir = {rings}
log_name = proxy
[pipeline:main]
pipeline = catch_errors memory gatekeeper listing_formats s3api tempauth bulk slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 30
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:memory]
paste.filter_factory = serve:memory
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
max_upload_part_num = 10000
max_bucket_listing = 20
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""


class Memory:
    """What memcached is to Swift: there it saves two questions to the container server with every request."""

    def __init__(self):
        self.values = {}

    def get(self, key, **_):
        value, until = self.values.get(key, (None, 0))
        return value if until == 0 or time.time() < until else None

    def set(self, key, value, **options):
        seconds = options.get("time", 0)
        self.values[key] = (value, time.time() + seconds if seconds else 0)

    def delete(self, key, **_):
        self.values.pop(key, None)


def memory(_global, **_local):
    cache = Memory()

    def wrap(app):
        def call(env, start_response):
            env["swift.cache"] = cache
            return app(env, start_response)

        return call

    return wrap


class Lines:
    """What eventlet writes of each request: shown with SWIFT_LOG=1."""

    def write(self, text):
        if os.environ.get("SWIFT_LOG"):
            sys.stderr.write(text)

    def flush(self):
        pass


def serve(listener, app):
    pool = eventlet.GreenPool(100)
    eventlet.spawn(
        eventlet.wsgi.server,
        listener,
        app,
        Lines(),
        protocol=SwiftHttpProtocol,
        custom_pool=pool,
        capitalize_response_headers=False,
    )


def main(folder, port, access, secret):
    devices, rings = pathlib.Path(folder, "devices"), pathlib.Path(folder, "rings")
    for each in (devices / "disk", rings):
        each.mkdir(parents=True, exist_ok=True)
    conf = {"devices": str(devices), "mount_check": "false", "swift_dir": str(rings), "fallocate_reserve": "0"}
    servers = {"account": AccountController, "container": ContainerController, "object": ObjectController}
    for kind, controller in servers.items():
        listener = eventlet.listen(("127.0.0.1", 0))
        device = {"id": 0, "zone": 1, "device": "disk", "ip": "127.0.0.1", "port": listener.getsockname()[1]}
        device.update(replication_ip=device["ip"], replication_port=device["port"], weight=1, meta="")
        RingData([array("H", [0])], [device], 32).save(str(rings / f"{kind}.ring.gz"))
        serve(listener, controller(conf))
    account, user = access.split(":")
    sys.modules["serve"] = sys.modules["__main__"]  # Where the pipeline finds `memory`.
    app = loadapp(ConfigString(PIPELINE.format(rings=rings, account=account, user=user, secret=secret)))
    listener = eventlet.listen(("127.0.0.1", int(port)))
    serve(listener, app)
    print(f"ready {listener.getsockname()[1]}", flush=True)
    os.set_blocking(0, False)
    while patient_os.read(0, 4096):
        pass


main(*sys.argv[1:])
