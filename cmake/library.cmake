# The library that users link, tenon::tenon, from the objects of all layers, and the headers that it is used through. It shows
# what those headers declare (cmake/exports.map) and nothing of LLVM's. Users see public headers alone.
include(GNUInstallDirs)
include(${CMAKE_CURRENT_LIST_DIR}/add_library.cmake)

# Public headers: what <tenon/tenon.h> and the C interface include, from file to file.
set(tenon_public_headers "")
set(work frontend/tenon.h runtime/tenon_runtime.h runtime/tenon_program.h runtime/tenon_cuda.h
    runtime/tenon_ranks.h)
while(work)
  list(POP_FRONT work header)
  list(APPEND tenon_public_headers ${header})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
  file(STRINGS ${PROJECT_SOURCE_DIR}/${header} includes REGEX "^#include \"tenon/")
  foreach(line ${includes})
    string(REGEX REPLACE ".*\"tenon/([^\"]+)\".*" "\\1" included "${line}")
    if(NOT included IN_LIST tenon_public_headers AND NOT included IN_LIST work)
      list(APPEND work ${included})
    endif()
  endforeach()
endwhile()
list(APPEND tenon_public_headers frontend/io/eigen.h)  # included by name: it needs Eigen
# For who uses Tenon where it is built: the same folder as the installed one, of links.
set(public ${PROJECT_BINARY_DIR}/public)
file(REMOVE_RECURSE ${public})  # a header that went would stay
foreach(header ${tenon_public_headers})
  get_filename_component(folder ${public}/tenon/${header} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${header} ${public}/tenon/${header} SYMBOLIC)
endforeach()
file(CREATE_LINK ${PROJECT_BINARY_DIR}/forward/tenon/tenon.h ${public}/tenon/tenon.h SYMBOLIC)

add_library(tenon ${tenon_objects})
set_target_properties(tenon PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(tenon PRIVATE ${tenon_zlib} Threads::Threads ${CMAKE_DL_LIBS})
if(TARGET tenon_llvm)
  add_dependencies(tenon tenon_llvm)  # loaded by name, linked by nobody
else()
  target_link_libraries(tenon PRIVATE ${tenon_llvm_libraries})
endif()
target_compile_features(tenon INTERFACE cxx_std_20)
if(BUILD_SHARED_LIBS)
  set(exports ${CMAKE_CURRENT_LIST_DIR}/exports.map)
  set_target_properties(tenon PROPERTIES LINK_DEPENDS ${exports})
  # Calls inside the library bind inside it; everything is bound, and the tables made read-only, when it is loaded.
  target_link_options(tenon PRIVATE -Wl,--version-script=${exports} -Wl,-Bsymbolic-functions -Wl,-z,defs -Wl,-z,relro
                      -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections)
endif()

foreach(target tenon tenon_c_runtime)
  target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${public}>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
add_library(tenon::tenon ALIAS tenon)
add_library(tenon::runtime ALIAS tenon_c_runtime)
