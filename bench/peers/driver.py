# Tenon's side: writes a source for each family of calls, compiles them against the library of a build folder as a user would, and runs
# the program on the operands. Refuses to write outside the folder that it is given.
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import arguments
import tensorfile

HERE = pathlib.Path(__file__).resolve().parent


def source(calls):
    lines = ['#include "driver.h"', "namespace tn = tenon;", "using Arguments = std::map<std::string, tn::Tensor>;",
             "static const Family family({"]
    for call in calls:
        lines.append(f"{{{call.number}, [](const Arguments& a) {{  // {call.place}")
        lines.append("static_cast<void>(a);")
        for name in arguments.used(call.tenon):
            parts = arguments.COMPLEX.get(name)
            made = f'tn::complex(a.at("{parts[0]}"), a.at("{parts[1]}"))' if parts else f'a.at("{name}")'
            lines.append(f"const tn::Tensor {name} = {made};")
        lines.append(f"return results({call.tenon});}}}},")
    return "\n".join(lines + ["});"]) + "\n"


def build(families, library, work):
    """The program, compiled anew where a source or the library's headers changed (ccache knows, if there is one)."""
    compiler = ([shutil.which("ccache")] if shutil.which("ccache") else []) + [os.environ.get("CXX", "c++")]
    flags = ["-std=c++20", "-O0", "-w", f"-I{HERE}", f"-I{library}/include", f"-I{library}/forward"]
    sources = {"driver": HERE / "driver.cc"}
    for family, calls in families.items():
        sources[family] = work / f"{family}.cc"
        sources[family].write_text(source(calls))

    def compile_one(name):
        done = subprocess.run([*compiler, *flags, "-c", str(sources[name]), "-o", str(work / f"{name}.o")], capture_output=True, text=True)
        return name, done.stderr if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        failed = [(name, said) for name, said in pool.map(compile_one, sources) if said is not None]
    for name, said in failed:
        print(f"{name} does not compile:\n{said[:6000]}", file=sys.stderr)
    if failed:
        sys.exit(2)
    objects = [str(work / f"{name}.o") for name in sources]
    subprocess.run([compiler[-1], *objects, f"-L{library}", "-ltenon", f"-Wl,-rpath,{library}", "-o", str(work / "driver")], check=True)
    return work / "driver"


def run(program, operands, numbers, dtype, variant, work):
    """number -> list of (dtype, array), and number -> message of what was refused."""
    paths = [work / f"{dtype}.{variant}.{kind}" for kind in ("operands", "results", "refusals")]
    tensorfile.write(paths[0], operands)
    environment = dict(os.environ, TENON_CACHE_DIR=str(work / "cache"))
    subprocess.run([str(program), *map(str, paths), dtype, *map(str, numbers)], check=True, env=environment)
    found = {}
    for name, value in tensorfile.read(paths[1]).items():
        number, part = map(int, name.split("."))
        found.setdefault(number, {})[part] = value
    refused = dict(line.split(" ", 1) for line in paths[2].read_text().splitlines())
    return ({number: [parts[i] for i in sorted(parts)] for number, parts in found.items()},
            {int(number): said for number, said in refused.items()})
