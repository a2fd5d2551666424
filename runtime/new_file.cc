// The name is given by rename(), which a folder on one machine or on a server does at once.
#include "tenon/runtime/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/write.h"

namespace tenon::runtime {
namespace {

// The name of a file is itself in the folder, which is brought to the disk as far as the file system does that.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor = open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (descriptor < 0) return;
  static_cast<void>(fsync(descriptor));
  close(descriptor);
}

}  // namespace

NewFile::NewFile(const std::string& path, const char* kind) : path_(path), kind_(kind) {
  struct stat there;
  if (stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) refuse("not a regular file");
  // Another process, of another machine perhaps, may write the same file: who made the name has it.
  constexpr int most = 1000;
  for (int number = 0; number < most && descriptor_ < 0; ++number) {
    beside_ = path + ".new-" + std::to_string(getpid()) + "-" + std::to_string(number);
    descriptor_ = open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ >= 0) return;
  beside_.clear();
  refuse(strerror(errno));
}

NewFile::~NewFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!beside_.empty()) unlink(beside_.c_str());
}

void NewFile::write(std::string_view bytes) {
  if (!write_all(descriptor_, bytes)) refuse(strerror(errno));
}

void NewFile::put() {
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP) refuse(strerror(errno));
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) refuse(strerror(errno));
  if (rename(beside_.c_str(), path_.c_str()) != 0) refuse(strerror(errno));
  beside_.clear();
  sync_folder_of(path_);
}

void NewFile::refuse(const std::string& reason) const {
  throw Error(std::string(kind_) + " '" + path_ + "': cannot be written: " + reason);
}

}  // namespace tenon::runtime
