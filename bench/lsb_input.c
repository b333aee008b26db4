/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * lsb_input FILE.lua: runs an input plugin in lua_sandbox, the library that hindsight uses, and writes the
 * messages that it injects to stdout, framed. The rows of bench/rows/sandbox.sh compare heka-sandbox with it.
 *
 * No distribution has lua_sandbox. To compile this against an installed one:
 *     cc -O2 -o lsb_input bench/lsb_input.c -lluasandboxheka -lluasandboxutil -lluasandbox
 */
#include <luasandbox/heka/sandbox.h>
#include <luasandbox/util/heka_message.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char out[1 << 16];
static size_t used;

static int flush(void)
{
    for (size_t done = 0; done < used;) {
        ssize_t len = write(STDOUT_FILENO, out + done, used - done);
        if (len <= 0)
            return 1;
        done += (size_t)len;
    }
    used = 0;
    return 0;
}

static int inject(void *parent, const char *message, size_t len, double number, const char *checkpoint)
{
    char header[LSB_MIN_HDR_SIZE + 8];
    size_t header_len = lsb_write_heka_header(header, len);

    (void)parent, (void)number, (void)checkpoint;
    if (header_len + len > sizeof out || (used + header_len + len > sizeof out && flush()))
        return 1;
    memcpy(out + used, header, header_len);
    memcpy(out + used + header_len, message, len);
    used += header_len + len;
    return 0;
}

static void print(void *context, const char *component, int level, const char *format, ...)
{
    va_list arguments;

    (void)context, (void)component, (void)level;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    lsb_logger logger = {NULL, print};
    const char *config = "instruction_limit = 0 memory_limit = 0 output_limit = 0 path = '' cpath = '' "
                         "Hostname = 'h' Logger = 'l' Pid = 0";
    lsb_heka_sandbox *sandbox = argc == 2 ? lsb_heka_create_input(NULL, argv[1], NULL, config, &logger, inject) : NULL;
    if (!sandbox) {
        fputs("usage: lsb_input FILE.lua\n", stderr);
        return 2;
    }
    int status = lsb_heka_pm_input(sandbox, NAN, NULL, false);
    if (status)
        fprintf(stderr, "lsb_input: %s\n", lsb_heka_get_error(sandbox));
    status |= flush();
    free(lsb_heka_destroy_sandbox(sandbox));
    return status != 0;
}
