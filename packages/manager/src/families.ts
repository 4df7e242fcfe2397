/** Families of the catalog that belong to the manager and that none of its reconcilers moves yet; they stay at 0. */
export const unbuiltFamilies: readonly string[] = [
  "virtrigaud_vm_snapshot_total",
  "virtrigaud_vm_clone_total",
  "virtrigaud_vm_image_prepare_total",
];
