"""Builds and runs a consumer against the package that `conan create` has just made."""

import os
import tempfile

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class GenieTestConan(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "CMakeToolchain"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self):
        if not can_run(self):
            return
        consumers = ["consumer"] + (["fmt_consumer"] if self.dependencies["genie"].options.with_fmt else [])
        for consumer in consumers:
            program = os.path.join(self.cpp.build.bindir, consumer)
            with tempfile.TemporaryDirectory() as folder:
                self.run(f'"{program}" "{os.path.join(folder, "state")}"', env="conanrun")
