import { existsSync } from 'node:fs';
import { run } from './command.mjs';

/** An emulated processor needs 4 s for it, on a busy machine ten; KVM less than one. */
const trialMs = 20_000;

/**
 * `kvm` or `tcg`, and why. A /dev/kvm says little: there are some that begin and then never get the kernel booted, so
 * KVM is taken only if it has just now booted the guests' kernel.
 */
export async function chooseAccelerator(wanted, images) {
  if (wanted !== 'auto') return { accel: wanted, why: 'as asked for' };
  if (!existsSync('/dev/kvm')) return { accel: 'tcg', why: 'there is no /dev/kvm' };
  if (await boots(images)) return { accel: 'kvm', why: 'it boots the kernel' };
  return { accel: 'tcg', why: `/dev/kvm is there, but did not boot the kernel within ${trialMs / 1_000} s` };
}

async function boots({ vmlinux, loader }) {
  const machine = ['-M', 'pc', '-accel', 'kvm', '-cpu', 'host', '-m', '256', '-nodefaults', '-display', 'none'];
  // The loader turns the trial off as soon as it runs.
  const kernel = ['-kernel', vmlinux, '-initrd', loader, '-append', 'console=ttyS0 quiet lab.trial'];
  const args = [...machine, ...kernel, '-serial', 'stdio', '-no-reboot'];
  const printed = await run('qemu-system-x86_64', args, { limitMs: trialMs }).catch(() => '');
  return printed.includes('LAB loader runs');
}
