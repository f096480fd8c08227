"""Conan 2 recipe of genie. From a checkout: conan create conan -s compiler.cppstd=20"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout


class GenieConan(ConanFile):
    name = "genie"
    license = "MIT"
    description = "At most one background server per state directory: found, started and stopped for good"
    topics = ("daemon", "pidfile", "process", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_fmt": [True, False]}  # genie::fmt, the formatters
    default_options = {"with_fmt": False}
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "..", "include", "genie", "version.hpp"))
        self.version = re.search(r'#define GENIE_VERSION_STRING "([^"]+)"', text)[1]

    def export_sources(self):
        checkout = os.path.join(self.recipe_folder, "..")
        copy(self, "include/*", src=checkout, dst=self.export_sources_folder)
        copy(self, "LICENSE", src=checkout, dst=self.export_sources_folder)

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        if self.options.with_fmt:
            self.requires("fmt/[>=9.1]", transitive_headers=True)

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def package(self):
        copy(self, "include/*", src=self.source_folder, dst=self.package_folder)
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "genie")
        self.cpp_info.set_property("cmake_target_name", "genie::all")  # the sum of the components below
        core = self.cpp_info.components["genie"]
        core.set_property("cmake_target_name", "genie::genie")
        core.bindirs, core.libdirs = [], []
        if self.options.with_fmt:
            fmt = self.cpp_info.components["fmt"]
            fmt.set_property("cmake_target_name", "genie::fmt")
            fmt.bindirs, fmt.libdirs = [], []
            fmt.requires = ["genie"]
            packages = [each.ref.name for each in self.dependencies.values() if each.package_folder]
            if "fmt" in packages:
                fmt.requires.append("fmt::fmt")
            else:
                fmt.system_libs = ["fmt"]  # the system's own, by [platform_requires]
