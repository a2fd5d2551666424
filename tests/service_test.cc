// The service of examples/service: saved with free batch and length, linked into a C program, asked by eight threads.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

TEST(Service, EveryRequestIsAnsweredToTheBitAndEveryWrongCallByACode) {
  const std::string folder = temporary_folder("service");
  const Ran saved = run_command({TENON_BINARY_DIR "/service_generator", folder});
  ASSERT_EQ(saved.status, 0) << saved.output;
  std::ostringstream source;
  source << std::ifstream(TENON_SOURCE_DIR "/examples/service/service.c").rdbuf();
  const Ran ran = run_shipped(folder, {.text = source.str(),
                                       .objects = {"cnn.o", "transformer.o"},
                                       .compiler = {"cc", "-std=c11", "-D_GNU_SOURCE"},
                                       .arguments = {folder}});
  EXPECT_EQ(ran.output, "240 requests of 40 sizes on 8 threads, 33 wrong calls, 0 faults\n");
  EXPECT_EQ(ran.status, 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
