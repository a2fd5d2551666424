# Finds zlib, which runtime/deflate.cc alone includes: tenon_zlib is a file, as LLVM's are, so that no project is asked to know a
# target of zlib's. Beside LLVM's archives it is an archive, too.
set(zlib_names z)
if(TENON_LLVM STREQUAL "static")
  set(zlib_names libz.a z)
endif()
find_library(TENON_ZLIB NAMES ${zlib_names})
find_path(TENON_ZLIB_INCLUDE zlib.h)
mark_as_advanced(TENON_ZLIB TENON_ZLIB_INCLUDE)
if(NOT TENON_ZLIB OR NOT TENON_ZLIB_INCLUDE)
  message(FATAL_ERROR "Tenon needs zlib, with its development files; none was found.\n"
                      "  Debian, Ubuntu:  apt install zlib1g-dev\n"
                      "  Fedora:          dnf install zlib-devel")
endif()
set(tenon_zlib ${TENON_ZLIB})
if(NOT TENON_ZLIB_INCLUDE IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/runtime/deflate.cc PROPERTIES COMPILE_OPTIONS -isystem${TENON_ZLIB_INCLUDE})
endif()
