package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// manifest is the content of deploy/kubernetes.
type manifest struct {
	deployment appsv1.Deployment
	service    corev1.Service
	budget     policyv1.PodDisruptionBudget
	ingress    networkingv1.Ingress
}

// read reads the documents of a manifest like the API server does with strict validation:
// an unknown key, a duplicate key, or a value of another type is an error.
func read(text []byte) (*manifest, error) {
	var m manifest
	into := map[string]any{
		"apps/v1 Deployment": &m.deployment, "v1 Service": &m.service,
		"policy/v1 PodDisruptionBudget": &m.budget, "networking.k8s.io/v1 Ingress": &m.ingress,
	}
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		name := kind.APIVersion + " " + kind.Kind
		object, ok := into[name]
		if !ok {
			return nil, fmt.Errorf("there is an unexpected %q", name)
		}
		text, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		unknown, err := json.UnmarshalStrict(text, object) // as the API server does: by case, too
		if err = errors.Join(append(unknown, err)...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		delete(into, name)
	}
	if len(into) > 0 {
		return nil, fmt.Errorf("missing: %v", into)
	}
	return &m, nil
}

// source returns the text of the manifest.
func source(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/kubernetes/usher.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The references between objects are correct.
func TestKubernetes(t *testing.T) {
	m, err := read(source(t))
	if err != nil {
		t.Fatal(err)
	}
	template := m.deployment.Spec.Template
	pod := labels.Set(template.Labels)
	for name, selector := range map[string]*metav1.LabelSelector{
		"the deployment":          m.deployment.Spec.Selector,
		"the service":             {MatchLabels: m.service.Spec.Selector},
		"the budget":              m.budget.Spec.Selector,
		"the spread across hosts": template.Spec.TopologySpreadConstraints[0].LabelSelector,
	} {
		if s, err := metav1.LabelSelectorAsSelector(selector); err != nil || s.Empty() || !s.Matches(pod) {
			t.Errorf("%s selects other pods (%v, %v)", name, s, err)
		}
	}
	container := template.Spec.Containers[0]
	ports := make(map[string]int32)
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	port := func(what string, at intstr.IntOrString) {
		t.Helper()
		if at.Type != intstr.String || ports[at.StrVal] == 0 {
			t.Errorf("%s uses port %v, which the container does not have", what, at.String())
		}
	}
	port("the readiness probe", container.ReadinessProbe.HTTPGet.Port)
	port("the liveness probe", container.LivenessProbe.HTTPGet.Port)
	port("the service", m.service.Spec.Ports[0].TargetPort)
	backend := m.ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
	if backend.Name != m.service.Name || backend.Port.Name != m.service.Spec.Ports[0].Name {
		t.Errorf("the ingress leads to %+v", backend)
	}
	if host := m.ingress.Spec.Rules[0].Host; m.ingress.Spec.TLS[0].Hosts[0] != host || variable(container, "USHER_PUBLIC_URL") != "https://"+host {
		t.Errorf("the ingress has the host %s, and usher has another", host)
	}
	volumes := make(map[string]bool)
	for _, v := range template.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("%s is not a volume", mount.Name)
		}
	}
	for _, name := range []string{"USHER_LISTEN", "USHER_METRICS_LISTEN"} {
		if _, number, _ := strings.Cut(variable(container, name), ":"); number != fmt.Sprint(ports["http"]) && number != fmt.Sprint(ports["metrics"]) {
			t.Errorf("%s has the port %s, and the container %v", name, number, ports)
		}
	}
	if scraped := template.Annotations["prometheus.io/port"]; scraped != fmt.Sprint(ports["metrics"]) {
		t.Errorf("Prometheus scrapes port %s", scraped)
	}
	if *m.deployment.Spec.Replicas <= m.budget.Spec.MinAvailable.IntVal {
		t.Error("the budget does not allow any eviction")
	}
}

// The pod meets the Kubernetes policy "restricted", and has a read-only root.
func TestKubernetesConfines(t *testing.T) {
	m, err := read(source(t))
	if err != nil {
		t.Fatal(err)
	}
	spec := m.deployment.Spec.Template.Spec
	context := spec.Containers[0].SecurityContext
	if !*spec.SecurityContext.RunAsNonRoot || *spec.SecurityContext.RunAsUser == 0 ||
		spec.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		*context.AllowPrivilegeEscalation || !*context.ReadOnlyRootFilesystem || context.Privileged != nil ||
		len(context.Capabilities.Add) > 0 || len(context.Capabilities.Drop) != 1 || context.Capabilities.Drop[0] != "ALL" ||
		spec.HostNetwork || spec.HostPID || spec.HostIPC || *spec.AutomountServiceAccountToken {
		t.Errorf("the pod has more privileges than it needs: %+v %+v", spec.SecurityContext, context)
	}
}

// A pod has enough time to stop, and stops only after the service sends it no more
// requests.
func TestKubernetesStops(t *testing.T) {
	m, err := read(source(t))
	if err != nil {
		t.Fatal(err)
	}
	const grace = 20 * time.Second // the default of --grace
	spec := m.deployment.Spec.Template.Spec
	drain, err := time.ParseDuration(variable(spec.Containers[0], "USHER_DRAIN"))
	if err != nil {
		t.Fatal(err)
	}
	if kill := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; kill <= drain+grace {
		t.Errorf("a pod is killed after %v, but needs up to %v to stop", kill, drain+grace)
	}
	probe := spec.Containers[0].ReadinessProbe
	if notices := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; drain < 2*notices {
		t.Errorf("it takes %v until the service knows that a pod stops, but the pod waits only for %v", notices, drain)
	}
}

// variable is a variable of the container's environment.
func variable(c corev1.Container, name string) string {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// The check of the keys detects errors.
func TestKubernetesErrors(t *testing.T) {
	text := string(source(t))
	for name, change := range map[string][2]string{
		"an unknown key":      {"readOnlyRootFilesystem: true", "readonlyRootFileSystem: true"},
		"a key that is twice": {"  replicas: 3\n", "  replicas: 3\n  replicas: 4\n"},
		"a wrong type":        {"replicas: 3", "replicas: three"},
		"a wrong quantity":    {"memory: 512Mi", "memory: 512 megabytes"},
		"another version":     {"policy/v1", "policy/v1beta1"},
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		if changed == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := read([]byte(changed)); err == nil {
			t.Errorf("%s is not an error", name)
		}
	}
}
