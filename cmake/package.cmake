# What users link: the shared library tenon::tenon, the C library tenon::runtime, the headers, and the package files.
# Nothing of LLVM's is exported again: the version script lets out Tenon's names alone.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/tenon)

if(EXISTS ${CMAKE_SOURCE_DIR}/frontend/tenon.h)
  add_library(tenon SHARED ${tenon_objects})
  set_target_properties(tenon PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                        LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/exports.map)
  # LLVM by its file: a user's project must not be asked to know a target of that name.
  target_link_libraries(tenon PRIVATE $<TARGET_FILE:LLVM> Threads::Threads ${CMAKE_DL_LIBS})
  target_link_options(tenon PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/exports.map -Wl,-z,defs)
  target_compile_features(tenon INTERFACE cxx_std_20)
  target_include_directories(tenon INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS tenon EXPORT tenon-targets)
endif()
if(c_sources)
  target_include_directories(tenon_c_runtime INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS tenon_c_runtime EXPORT tenon-targets)
endif()

foreach(layer ir passes codegen runtime frontend)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${layer} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon
          FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN "llvm*" EXCLUDE PATTERN "nvrtc*" EXCLUDE PATTERN "cuda*" EXCLUDE)
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/forward/tenon/tenon.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon)

if(TARGET tenon)
  install(EXPORT tenon-targets NAMESPACE tenon:: DESTINATION ${package_folder})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/tenon-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES cmake/tenon-config.cmake ${CMAKE_BINARY_DIR}/tenon-config-version.cmake DESTINATION ${package_folder})
endif()
