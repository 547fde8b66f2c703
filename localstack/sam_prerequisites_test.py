import os
import shutil
import tempfile
import unittest
from unittest import mock

import sam_prerequisites
from console import Failure
from stack_folder import StackFolder


class SamPrerequisitesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        # Nothing but what a test installs is there.
        patch = mock.patch.dict(os.environ, {"PATH": self.folder})
        patch.start()
        self.addCleanup(patch.stop)

    def install(self, name, script="exit 0"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n%s\n" % script)
        os.chmod(path, 0o700)
        return path

    def check(self, endpoint="", inner_endpoint="", sam=""):
        sam_prerequisites.check(endpoint, inner_endpoint, sam)

    def refused(self, what, **options):
        with self.assertRaisesRegex(Failure, what):
            self.check(**options)

    def test_nothing_is_missing(self):
        sam = self.install("sam")
        self.install("docker")
        self.check()
        self.check(sam=sam)
        self.check(sam="sam")

    def test_without_docker_it_says_where_to_get_it_and_what_works_without(self):
        self.refused(r"Docker is missing.*https://docs.docker.com.*`make run` and `make test` use MiniStack")

    def test_an_engine_that_does_not_answer_is_told_with_its_own_words(self):
        self.install("docker", "echo first; echo 'Cannot connect to the Docker daemon.' >&2; exit 1")
        self.refused(r"does not answer \(Cannot connect to the Docker daemon\.\).*DOCKER_HOST")
        self.install("docker", "exit 7")
        self.refused(r"does not answer \(status 7\)")

    def test_compose_is_needed_only_to_start_localstack(self):
        self.install("docker", '[ "$1" != compose ]')
        self.refused("Docker has no `compose`.*LOCALSTACK_ENDPOINT=")
        self.check(endpoint="http://10.0.0.1:4566")

    def test_a_loopback_needs_an_address_for_containers(self):
        self.install("docker")
        for endpoint in ("http://127.0.0.1:4566", "http://localhost:4566/", "http://[::1]:4566"):
            self.refused("containers have one of their own.*LOCALSTACK_ENDPOINT_IN_CONTAINER=", endpoint=endpoint)
            self.check(endpoint=endpoint, inner_endpoint="http://172.17.0.1:4566")

    def test_an_address_without_a_host_is_refused_before_a_container_calls_it(self):
        self.install("docker")
        for address in ("http://:4566", "localhost:4566", "10.0.0.1:4566", "ftp://10.0.0.1:4566", "http://10.0.0.1:many"):
            self.refused("LOCALSTACK_ENDPOINT is '%s', and not http://HOST:PORT" % address, endpoint=address)
            self.refused("LOCALSTACK_ENDPOINT_IN_CONTAINER is '%s', and not" % address,
                         endpoint="http://127.0.0.1:4566", inner_endpoint=address)
        self.check(endpoint="https://localstack.example.com")

    def test_a_sam_that_is_not_there_is_named(self):
        self.install("docker")
        self.refused("SAM CLI is missing: /nowhere/sam is no program", sam="/nowhere/sam")

    def test_each_port_must_be_free(self):
        with mock.patch("servers.is_free", lambda number: number != 3002):
            for port in (3000, 3001, 3002):
                with self.assertRaisesRegex(Failure, "Port 3002 is already in use.*SAM_PORT="):
                    sam_prerequisites.check_ports(port, 4566)
            with self.assertRaisesRegex(Failure, "Port 3002 is already in use.*LOCALSTACK_PORT=.*LOCALSTACK_ENDPOINT="):
                sam_prerequisites.check_ports(4000, 3002)
            sam_prerequisites.check_ports(3003, None)

    def test_what_a_killed_run_left_on_its_ports_is_no_hindrance(self):
        self.install("docker")
        folder = os.path.join(self.folder, "sam-local")
        with mock.patch("servers.is_free", lambda number: False), mock.patch.object(sam_prerequisites, "DEFAULT_DIR", folder), \
                mock.patch("sys.argv", ["", "--port=3000", "--localstack-port=4566"]):
            with self.assertRaisesRegex(SystemExit, "Port 3000 is already in use"):
                sam_prerequisites.main()
            StackFolder(folder).write({"processes": {}, "composed": True})
            sam_prerequisites.main()


if __name__ == "__main__":
    unittest.main()
